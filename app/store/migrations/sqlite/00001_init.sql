-- +goose Up

-- Times are BIGINT unix microseconds, UTC; 0 is "never". Documents are TEXT holding JSON.

CREATE TABLE installations (
    id                   BIGINT  PRIMARY KEY,
    account              TEXT    NOT NULL,
    repository_selection TEXT    NOT NULL,
    suspended            BOOLEAN NOT NULL,
    present              BOOLEAN NOT NULL,
    updated_at           BIGINT  NOT NULL
);

CREATE TABLE repositories (
    id              BIGINT  PRIMARY KEY,
    installation_id BIGINT  NOT NULL,
    owner           TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    default_branch  TEXT    NOT NULL,
    private         BOOLEAN NOT NULL,
    archived        BOOLEAN NOT NULL,
    present         BOOLEAN NOT NULL,
    config_blob     TEXT    NOT NULL DEFAULT '',
    diagnostics     TEXT    NOT NULL DEFAULT 'null',
    updated_at      BIGINT  NOT NULL
);
CREATE INDEX repositories_installation ON repositories (installation_id);

CREATE TABLE fabrics (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    connection      TEXT    NOT NULL,
    netbox_id       BIGINT  NOT NULL,
    netbox_created  TEXT    NOT NULL,
    repository_id   BIGINT  NOT NULL,
    branch          TEXT    NOT NULL,
    directory       TEXT    NOT NULL,
    installation_id BIGINT  NOT NULL,
    owner           TEXT    NOT NULL,
    repository      TEXT    NOT NULL,
    slug            TEXT    NOT NULL,
    policy          TEXT    NOT NULL,
    config_blob     TEXT    NOT NULL,
    active          BOOLEAN NOT NULL,
    superseded      BOOLEAN NOT NULL,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
);
CREATE UNIQUE INDEX fabrics_identity ON fabrics (connection, netbox_id, netbox_created, repository_id, branch, directory) WHERE superseded = false;
CREATE UNIQUE INDEX fabrics_netbox   ON fabrics (connection, netbox_id) WHERE active = true;
CREATE UNIQUE INDEX fabrics_git      ON fabrics (repository_id, branch, directory) WHERE active = true;

CREATE TABLE fabric_sync (
    fabric       BIGINT PRIMARY KEY REFERENCES fabrics (id),
    requested    BIGINT NOT NULL,
    done         BIGINT NOT NULL,
    source       TEXT   NOT NULL,
    login        TEXT   NOT NULL,
    requested_at BIGINT NOT NULL
);

CREATE TABLE sync_requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    fabric     BIGINT  NOT NULL REFERENCES fabrics (id),
    generation BIGINT  NOT NULL,
    whole      BOOLEAN NOT NULL,
    ingest     BOOLEAN NOT NULL,
    init       BOOLEAN NOT NULL,
    operation  TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    login      TEXT    NOT NULL
);
CREATE INDEX sync_requests_fabric ON sync_requests (fabric, generation);

CREATE TABLE scope (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    kind   TEXT   NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (fabric, kind)
);

CREATE TABLE ledgers (
    fabric            BIGINT  PRIMARY KEY REFERENCES fabrics (id),
    epoch             BIGINT  NOT NULL,
    head              TEXT    NOT NULL,
    dir_tree          TEXT    NOT NULL,
    config_blob       TEXT    NOT NULL,
    stale_since       BIGINT  NOT NULL,
    contact           BOOLEAN NOT NULL,
    next_conflict     BIGINT  NOT NULL,
    waiting           TEXT    NOT NULL,
    cursor_id         BIGINT  NOT NULL,
    cursor_time       BIGINT  NOT NULL,
    cursor_request_id TEXT    NOT NULL,
    full_compare_at   BIGINT  NOT NULL,
    deletes           TEXT    NOT NULL,
    undos             TEXT    NOT NULL,
    opaque            TEXT    NOT NULL,
    pause             TEXT    NOT NULL,
    direction         TEXT    NOT NULL,
    marker_seen       BOOLEAN NOT NULL
);

CREATE TABLE resources (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    fabric         BIGINT  NOT NULL REFERENCES fabrics (id),
    api_group      TEXT    NOT NULL,
    kind           TEXT    NOT NULL,
    namespace      TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    present        BOOLEAN NOT NULL,
    git            TEXT    NOT NULL,
    netbox         TEXT    NOT NULL,
    pk             BIGINT  NOT NULL,
    last_updated   TEXT    NOT NULL,
    file           TEXT    NOT NULL,
    doc_index      BIGINT  NOT NULL,
    file_hash      TEXT    NOT NULL,
    base_head      TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    last_file_sync BIGINT  NOT NULL,
    frozen_code    TEXT    NOT NULL,
    frozen_message TEXT    NOT NULL,
    extra          TEXT    NOT NULL
);
CREATE UNIQUE INDEX resources_identity ON resources (fabric, api_group, kind, namespace, name);
CREATE INDEX resources_pk ON resources (kind, pk);

CREATE TABLE intents (
    fabric    BIGINT NOT NULL REFERENCES fabrics (id),
    id        TEXT   NOT NULL,
    operation TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (fabric, id)
);
CREATE INDEX intents_operation ON intents (operation);

CREATE TABLE conflicts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    fabric       BIGINT  NOT NULL REFERENCES fabrics (id),
    number       BIGINT  NOT NULL,
    api_group    TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    namespace    TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    code         TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    moved_to     BIGINT  NOT NULL,
    detected_at  BIGINT  NOT NULL,
    closed_at    BIGINT  NOT NULL,
    resolution   TEXT    NOT NULL
);
CREATE UNIQUE INDEX conflicts_number ON conflicts (fabric, number);
CREATE INDEX conflicts_open ON conflicts (fabric) WHERE closed_at = 0;

CREATE TABLE decisions (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    id     TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, id)
);

CREATE TABLE approvals (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    hash   TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, hash)
);

CREATE TABLE refusals (
    fabric    BIGINT NOT NULL REFERENCES fabrics (id),
    api_group TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    namespace TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    PRIMARY KEY (fabric, api_group, kind, namespace, name)
);

CREATE TABLE dropped (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    id     TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, id)
);

CREATE TABLE overwritten (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    id     TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, id)
);

CREATE TABLE operations (
    id                 TEXT   PRIMARY KEY,
    fabric             BIGINT NOT NULL REFERENCES fabrics (id),
    type               TEXT   NOT NULL,
    status             TEXT   NOT NULL,
    started_at         BIGINT NOT NULL,
    completed_at       BIGINT NOT NULL,
    files_processed    BIGINT NOT NULL,
    files_created      BIGINT NOT NULL,
    files_updated      BIGINT NOT NULL,
    files_deleted      BIGINT NOT NULL,
    conflicts_resolved BIGINT NOT NULL,
    commit_sha         TEXT   NOT NULL,
    pull_request_url   TEXT   NOT NULL,
    source             TEXT   NOT NULL,
    login              TEXT   NOT NULL,
    error_message      TEXT   NOT NULL,
    errors             TEXT   NOT NULL,
    plan_hash          TEXT   NOT NULL,
    details            TEXT   NOT NULL
);
CREATE INDEX operations_fabric ON operations (fabric, started_at);

CREATE TABLE operation_changes (
    operation  TEXT   PRIMARY KEY REFERENCES operations (id),
    started_at BIGINT NOT NULL,
    body       TEXT   NOT NULL
);
CREATE INDEX operation_changes_started ON operation_changes (started_at);

CREATE TABLE statuses (
    fabric     BIGINT PRIMARY KEY REFERENCES fabrics (id),
    body       TEXT   NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    source          TEXT   NOT NULL,
    target          TEXT   NOT NULL,
    guid            TEXT   NOT NULL,
    body_hash       TEXT   NOT NULL,
    event           TEXT   NOT NULL,
    action          TEXT   NOT NULL,
    received_at     BIGINT NOT NULL,
    installation_id BIGINT NOT NULL,
    repository_id   BIGINT NOT NULL,
    repository      TEXT   NOT NULL,
    ref             TEXT   NOT NULL,
    after_oid       TEXT   NOT NULL,
    sender          TEXT   NOT NULL,
    object_type     TEXT   NOT NULL,
    object_id       BIGINT NOT NULL,
    last_updated    TEXT   NOT NULL,
    request_id      TEXT   NOT NULL,
    netbox_user     TEXT   NOT NULL,
    state           TEXT   NOT NULL,
    attempts        BIGINT NOT NULL,
    due_at          BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    error           TEXT   NOT NULL
);
CREATE UNIQUE INDEX deliveries_identity ON deliveries (source, target, guid);
CREATE INDEX deliveries_waiting ON deliveries (due_at, id) WHERE state = 'waiting';
CREATE INDEX deliveries_updated ON deliveries (updated_at);
