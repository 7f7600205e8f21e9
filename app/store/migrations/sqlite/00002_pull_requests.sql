-- +goose Up

-- Our pull requests that are open, by branch.
CREATE TABLE proposed (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    branch TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, branch)
);

-- Values whose pull request was closed unmerged.
CREATE TABLE declined (
    fabric BIGINT NOT NULL REFERENCES fabrics (id),
    id     TEXT   NOT NULL,
    body   TEXT   NOT NULL,
    PRIMARY KEY (fabric, id)
);

-- +goose Down

DROP TABLE declined;
DROP TABLE proposed;
