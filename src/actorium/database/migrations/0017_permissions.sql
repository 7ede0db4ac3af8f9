-- The Actor whose run made a storage: later runs of it with limited permissions may use the storage again.
ALTER TABLE datasets ADD COLUMN act_id TEXT;
ALTER TABLE key_value_stores ADD COLUMN act_id TEXT;
ALTER TABLE request_queues ADD COLUMN act_id TEXT;
UPDATE datasets SET act_id = (SELECT runs.actor_id FROM runs WHERE runs.id = datasets.created_by_run)
WHERE created_by_run IS NOT NULL;
UPDATE key_value_stores SET act_id = (SELECT runs.actor_id FROM runs WHERE runs.id = key_value_stores.created_by_run)
WHERE created_by_run IS NOT NULL;
UPDATE request_queues SET act_id = (SELECT runs.actor_id FROM runs WHERE runs.id = request_queues.created_by_run)
WHERE created_by_run IS NOT NULL;

-- Whose public Actor with full permissions a user lets run on the user's account.
CREATE TABLE actor_approvals (
  user_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, actor_id)
);
