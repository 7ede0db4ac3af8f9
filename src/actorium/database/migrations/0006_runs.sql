CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  task_id TEXT,
  build_id TEXT NOT NULL,
  status TEXT NOT NULL,
  origin TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  attempt BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  web_port BIGINT NOT NULL,
  created_by_run TEXT,
  expires_at BIGINT,
  document TEXT NOT NULL
);
CREATE INDEX runs_of_owner ON runs (owner_id, started_at, id);
CREATE INDEX runs_of_actor ON runs (actor_id, owner_id, started_at, id);
CREATE INDEX runs_of_task ON runs (task_id, started_at, id) WHERE task_id IS NOT NULL;
CREATE INDEX runs_live ON runs (started_at, id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX runs_live_port ON runs (web_port) WHERE finished_at IS NULL;
CREATE INDEX runs_expiring ON runs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX runs_of_parent ON runs (created_by_run) WHERE created_by_run IS NOT NULL;

CREATE TABLE run_usage (
  run_id TEXT NOT NULL,
  usage TEXT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (run_id, usage)
);

CREATE TABLE run_stats (
  run_id TEXT PRIMARY KEY,
  attempt BIGINT NOT NULL,
  earlier TEXT NOT NULL,
  latest TEXT NOT NULL
);
