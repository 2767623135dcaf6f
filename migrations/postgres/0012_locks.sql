-- Named locks: what a job wants and has while it runs; of a step, what it has, or wants while another has it. And how a
-- job that succeeded is taken back.

ALTER TABLE jobs ADD COLUMN lock_name TEXT;
ALTER TABLE workflow_steps ADD COLUMN lock_name TEXT;
ALTER TABLE workflow_steps ADD COLUMN lock_by TEXT;
CREATE INDEX workflow_steps_locks ON workflow_steps (lock_name) WHERE lock_name IS NOT NULL;

ALTER TABLE jobs ADD COLUMN undo TEXT;
ALTER TABLE jobs ADD COLUMN confirm_until BIGINT;
CREATE INDEX jobs_unconfirmed ON jobs (confirm_until) WHERE confirm_until IS NOT NULL;
