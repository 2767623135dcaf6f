-- The steps of workflow runs: a run is a job, its steps are numbered, those that always run last.

CREATE TABLE workflow_steps (
    job        BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    state      TEXT   NOT NULL,
    attempt    BIGINT NOT NULL,
    started_at BIGINT,
    ended_at   BIGINT,
    until_at   BIGINT,
    ending     TEXT,
    found      TEXT   NOT NULL,
    answer     TEXT,
    PRIMARY KEY (job, seq)
);
