-- What the installation itself knows: its id, its secrets' names, when it began.
CREATE TABLE installation (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- The outbox: what happened, written in the transaction that made it happen.
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  document TEXT NOT NULL
);
CREATE INDEX events_created_at ON events (created_at);

-- Blobs that no row names any more, to be deleted by a loop.
CREATE TABLE blob_garbage (
  key TEXT PRIMARY KEY,
  created_at BIGINT NOT NULL
);
