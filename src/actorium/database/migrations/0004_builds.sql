CREATE TABLE builds (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  version_number TEXT NOT NULL,
  number TEXT NOT NULL,
  number_int BIGINT NOT NULL,
  status TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  attempt BIGINT NOT NULL,
  attempt_started_at BIGINT,
  worker TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  image_reference TEXT,
  removed_at BIGINT,
  created_by_run TEXT,
  expires_at BIGINT,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL,
  env_vars TEXT NOT NULL,
  definition TEXT,
  source_files TEXT
);
CREATE UNIQUE INDEX builds_of_actor_by_number ON builds (actor_id, number_int);
CREATE INDEX builds_of_actor ON builds (actor_id, started_at, id);
CREATE INDEX builds_of_owner ON builds (owner_id, started_at, id);
CREATE INDEX builds_live ON builds (started_at, id) WHERE finished_at IS NULL AND removed_at IS NULL;
CREATE INDEX builds_removed ON builds (removed_at, id) WHERE removed_at IS NOT NULL;
CREATE INDEX builds_of_image ON builds (image_reference) WHERE image_reference IS NOT NULL;
CREATE INDEX builds_expiring ON builds (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX builds_of_parent ON builds (created_by_run) WHERE created_by_run IS NOT NULL;

-- The last number of each version's builds; it outlives the version, so that no number means two builds.
CREATE TABLE build_numbers (
  actor_id TEXT NOT NULL,
  version_number TEXT NOT NULL,
  last_number BIGINT NOT NULL,
  PRIMARY KEY (actor_id, version_number)
);
