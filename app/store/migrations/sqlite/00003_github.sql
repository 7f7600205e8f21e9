-- +goose Up

-- What was published of a check run. sent counts the annotations GitHub has acknowledged of the output with that hash.

CREATE TABLE check_runs (
    repository_id BIGINT  NOT NULL,
    head          TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    run_id        BIGINT  NOT NULL,
    external_id   TEXT    NOT NULL,
    output_hash   TEXT    NOT NULL,
    sent          BIGINT  NOT NULL,
    completed     BOOLEAN NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (repository_id, head, name)
);
CREATE INDEX check_runs_run ON check_runs (run_id);

CREATE TABLE pull_requests (
    repository_id  BIGINT  NOT NULL,
    number         BIGINT  NOT NULL,
    head           TEXT    NOT NULL,
    base           TEXT    NOT NULL,
    open           BOOLEAN NOT NULL,
    evaluated_head TEXT    NOT NULL,
    evaluated_at   BIGINT  NOT NULL,
    fabrics        TEXT    NOT NULL,
    problem        TEXT    NOT NULL,
    parked_until   BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    PRIMARY KEY (repository_id, number)
);
CREATE INDEX pull_requests_base ON pull_requests (repository_id, base) WHERE open = true;

-- One answer of ours per thread and topic, edited in place.

CREATE TABLE rolling_comments (
    repository_id BIGINT NOT NULL,
    thread        BIGINT NOT NULL,
    topic         TEXT   NOT NULL,
    comment_id    BIGINT NOT NULL,
    body_hash     TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (repository_id, thread, topic)
);

CREATE TABLE rolling_issues (
    fabric        BIGINT  NOT NULL REFERENCES fabrics (id),
    repository_id BIGINT  NOT NULL,
    number        BIGINT  NOT NULL,
    body_hash     TEXT    NOT NULL,
    open          BOOLEAN NOT NULL,
    updated_at    BIGINT  NOT NULL,
    PRIMARY KEY (fabric)
);

-- A command of a comment that was carried out: never again, however often the comment is delivered.

CREATE TABLE command_runs (
    repository_id BIGINT NOT NULL,
    comment_id    BIGINT NOT NULL,
    line          BIGINT NOT NULL,
    answer        TEXT   NOT NULL,
    done_at       BIGINT NOT NULL,
    PRIMARY KEY (repository_id, comment_id, line)
);

CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            BIGINT  NOT NULL,
    fabric        BIGINT  NOT NULL,
    repository_id BIGINT  NOT NULL,
    login         TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    origin        TEXT    NOT NULL,
    details       TEXT    NOT NULL
);
CREATE INDEX audit_fabric ON audit (fabric, id);

CREATE TABLE onboardings (
    repository_id BIGINT PRIMARY KEY,
    number        BIGINT NOT NULL,
    branch        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);

-- Deliveries GitHub was asked to send again: once each.

CREATE TABLE redeliveries (
    guid         TEXT   PRIMARY KEY,
    requested_at BIGINT NOT NULL
);
