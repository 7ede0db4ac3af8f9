-- Idempotency keys that runs with limited permissions give are apart from their user's own: key_space is their Actor.
ALTER TABLE webhooks ADD COLUMN key_space TEXT NOT NULL DEFAULT '';
DROP INDEX webhooks_idempotent;
CREATE UNIQUE INDEX webhooks_idempotent ON webhooks (owner_id, key_space, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
