CREATE TABLE users (
  id TEXT PRIMARY KEY,
  username TEXT NOT NULL,
  username_key TEXT NOT NULL UNIQUE,
  number BIGINT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  document TEXT NOT NULL
);

CREATE TABLE tokens (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX tokens_of_user ON tokens (user_id, name);
