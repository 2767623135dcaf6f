-- Workflows at GitHub that are kept running: what is known of the run that goes, by which no second one is started.

CREATE TABLE github_kept (
    target TEXT PRIMARY KEY NOT NULL,
    known TEXT NOT NULL,
    at BIGINT NOT NULL
);
