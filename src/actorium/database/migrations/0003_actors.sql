CREATE TABLE actors (
  id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  name TEXT NOT NULL,
  is_public BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  last_run_started_at BIGINT,
  total_builds BIGINT NOT NULL,
  total_runs BIGINT NOT NULL,
  created_by_run TEXT,
  expires_at BIGINT,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL,
  UNIQUE (owner_id, name)
);
CREATE INDEX actors_of_owner ON actors (owner_id, created_at, id);
CREATE INDEX actors_expiring ON actors (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX actors_of_parent ON actors (created_by_run) WHERE created_by_run IS NOT NULL;

-- Who started which Actor: public Actors of others are listed for those who used them.
CREATE TABLE actor_uses (
  user_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, actor_id)
);
CREATE INDEX actor_uses_of_actor ON actor_uses (actor_id, last_at);

CREATE TABLE actor_versions (
  actor_id TEXT NOT NULL,
  number TEXT NOT NULL,
  number_int BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL,
  source_files TEXT NOT NULL,
  PRIMARY KEY (actor_id, number)
);
