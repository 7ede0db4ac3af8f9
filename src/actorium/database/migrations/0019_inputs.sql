CREATE TABLE input_keys (
  user_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  sealed TEXT NOT NULL,
  PRIMARY KEY (user_id, actor_id)
);
CREATE TABLE run_secrets (
  run_id TEXT NOT NULL,
  input_key TEXT NOT NULL,
  sealed TEXT NOT NULL,
  PRIMARY KEY (run_id, input_key)
);
