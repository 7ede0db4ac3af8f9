CREATE TABLE logs (
  subject_id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  size BIGINT NOT NULL,
  is_full BIGINT NOT NULL,
  container TEXT NOT NULL,
  cursor TEXT NOT NULL
);

CREATE TABLE log_chunks (
  subject_id TEXT NOT NULL,
  position BIGINT NOT NULL,
  payload BYTEA NOT NULL,
  PRIMARY KEY (subject_id, position)
);
