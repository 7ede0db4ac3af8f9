-- What runs are charged for. A charge never touches the versioned row of its run.

-- How often each event of a run was charged.
CREATE TABLE run_charges (
  run_id TEXT NOT NULL,
  event TEXT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (run_id, event)
);

-- Charges that were acknowledged, by the key of the caller, so that a repeated call charges once.
CREATE TABLE run_charge_keys (
  run_id TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (run_id, idempotency_key)
);
CREATE INDEX run_charge_keys_age ON run_charge_keys (created_at);

-- One row for each run that is charged: held while its charges are added up.
-- abort_at: when the run is to be aborted, because its limit is reached.
CREATE TABLE run_budgets (
  run_id TEXT PRIMARY KEY,
  abort_at BIGINT
);
CREATE INDEX run_budgets_due ON run_budgets (abort_at) WHERE abort_at IS NOT NULL;

-- The run that pays for each item stored here.
ALTER TABLE datasets ADD COLUMN charged_run_id TEXT;
