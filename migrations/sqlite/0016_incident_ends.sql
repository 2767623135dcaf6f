-- Why an incident ended that did not recover, whether what it is about was reached, and how fixes of rules went.

ALTER TABLE incidents ADD COLUMN unwatched TEXT;
ALTER TABLE incidents ADD COLUMN unreached BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN fix_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN fix_severity TEXT;
ALTER TABLE incidents ADD COLUMN fix_state TEXT;
ALTER TABLE incidents ADD COLUMN fix_limited_at BIGINT;
UPDATE incidents SET fix_tries = 1, fix_severity = worst, fix_state = 'done' WHERE fixed_at IS NOT NULL;

CREATE TABLE incident_fixes (
    check_name TEXT   NOT NULL,
    started_at BIGINT NOT NULL
);
CREATE INDEX incident_fixes_started ON incident_fixes (check_name, started_at);
INSERT INTO incident_fixes (check_name, started_at)
    SELECT check_name, fixed_at FROM incidents WHERE fixed_at IS NOT NULL;
DROP INDEX incidents_fixed;
