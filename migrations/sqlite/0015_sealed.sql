-- What a message says that must not stand here to be read, until it is out; and until when the chat offers to take a job
-- back.

ALTER TABLE outbox ADD COLUMN sealed TEXT;

ALTER TABLE jobs ADD COLUMN undo_until BIGINT;
CREATE INDEX jobs_undo_offered ON jobs (undo_until) WHERE undo_until IS NOT NULL;
