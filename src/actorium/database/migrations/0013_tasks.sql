CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  total_runs BIGINT NOT NULL,
  created_by_run TEXT,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL,
  input TEXT,
  UNIQUE (owner_id, name)
);
CREATE INDEX tasks_of_owner ON tasks (owner_id, created_at, id);
