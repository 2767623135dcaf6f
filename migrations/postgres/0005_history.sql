-- Looking back: filters that never read every job, which job a message belongs to, and what retention removed.

CREATE INDEX jobs_role ON jobs (role, id);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_created ON jobs (created_at, id);
CREATE INDEX jobs_asker_title ON jobs (asker_id, title, id);
CREATE INDEX jobs_asker_name ON jobs (asker_name);
CREATE INDEX jobs_title_state ON jobs (title, state, id);

ALTER TABLE outbox ADD COLUMN job_id BIGINT;
ALTER TABLE outbox ADD COLUMN edited BIGINT NOT NULL DEFAULT 0;
UPDATE outbox SET job_id = CAST(substr(slot, 5) AS BIGINT) WHERE slot LIKE 'job:%';
CREATE INDEX outbox_job ON outbox (job_id, id) WHERE job_id IS NOT NULL;
CREATE INDEX outbox_failed ON outbox (done_at, id) WHERE state = 'failed';

-- A row is what one sweep removed for one reason: jobs with numbers from first_id to last_id, and their logs.
CREATE TABLE forgotten (
    first_id   BIGINT NOT NULL,
    last_id    BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    jobs       BIGINT NOT NULL,
    removed_at BIGINT NOT NULL
);
CREATE INDEX forgotten_at ON forgotten (removed_at);
