-- +goose Up

-- What people did on GitHub, of the deliveries that are not pushes; JSON.
ALTER TABLE deliveries ADD COLUMN activity TEXT NOT NULL DEFAULT '';

-- +goose Down

ALTER TABLE deliveries DROP COLUMN activity;
