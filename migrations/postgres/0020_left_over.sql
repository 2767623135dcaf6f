-- A step that was to be taken back and could not be: what it did may still be there, and its run can be taken back.

ALTER TABLE workflow_steps ADD COLUMN left_over BIGINT NOT NULL DEFAULT 0;
