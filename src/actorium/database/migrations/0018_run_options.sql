-- Webhooks: whom to tell of which events. Those that a run was started with (is_ad_hoc) are about that run alone.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  is_ad_hoc BIGINT NOT NULL,
  actor_id TEXT,
  actor_task_id TEXT,
  actor_run_id TEXT,
  idempotency_key TEXT,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  created_by_run TEXT,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX webhooks_of_owner ON webhooks (owner_id, created_at, id);
CREATE INDEX webhooks_of_run ON webhooks (actor_run_id) WHERE actor_run_id IS NOT NULL;
CREATE UNIQUE INDEX webhooks_idempotent ON webhooks (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What an account uses at once is a sum over one index. Runs that were live before this counted 0 until they change.
ALTER TABLE runs ADD COLUMN memory_mbytes BIGINT NOT NULL DEFAULT 0;
CREATE INDEX runs_live_of_owner ON runs (owner_id, memory_mbytes) WHERE finished_at IS NULL;
CREATE INDEX builds_live_of_owner ON builds (owner_id) WHERE finished_at IS NULL AND removed_at IS NULL;
