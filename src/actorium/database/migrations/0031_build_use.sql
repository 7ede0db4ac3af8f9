-- When a finished build was last used, to within a day: what nobody has used for long and no tag points at is deleted.
DROP INDEX builds_expiring;
ALTER TABLE builds RENAME COLUMN expires_at TO used_at;
UPDATE builds SET used_at = finished_at;
CREATE INDEX builds_by_use ON builds (used_at, id) WHERE used_at IS NOT NULL AND removed_at IS NULL;
