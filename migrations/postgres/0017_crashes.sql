-- Steps that were cut off: how often a try was begun that came to no end, and whether it may still be at work on a machine that
-- cannot be seen.

ALTER TABLE workflow_steps ADD COLUMN starts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE workflow_steps ADD COLUMN adrift BIGINT NOT NULL DEFAULT 0;
