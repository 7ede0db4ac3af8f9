-- Money brakes: how much may be spent a day, and what was. Amounts are billionths of a USD, days are days since 1970 in UTC.

-- set_by: OPERATOR or USER; one of each may stand beside the other. kind: USER, ACTOR or TASK, of runs of this owner.
CREATE TABLE brakes (
  owner_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  set_by TEXT NOT NULL,
  limit_nanos BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  modified_at BIGINT NOT NULL,
  PRIMARY KEY (owner_id, kind, subject_id, set_by)
);

-- What was spent on a day, without what the runs of run_spending have cost since they were booked last.
CREATE TABLE spending (
  owner_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  day BIGINT NOT NULL,
  nanos BIGINT NOT NULL,
  PRIMARY KEY (owner_id, kind, subject_id, day)
);
CREATE INDEX spending_by_day ON spending (day);

-- How much of a run's cost is in spending already. state: live (its cost grows), ended (what it did last may still be on
-- its way; looked at once more at settle_at) or closed. day: until which day it was booked.
CREATE TABLE run_spending (
  run_id TEXT PRIMARY KEY,
  owner_id TEXT NOT NULL,
  day BIGINT NOT NULL,
  booked_nanos BIGINT NOT NULL,
  state TEXT NOT NULL,
  settle_at BIGINT
);
CREATE INDEX run_spending_live ON run_spending (owner_id, run_id) WHERE state = 'live';
CREATE INDEX run_spending_due ON run_spending (settle_at) WHERE state = 'ended';
INSERT INTO run_spending (run_id, owner_id, day, booked_nanos, state, settle_at)
  SELECT id, owner_id, started_at / 86400000, 0, 'live', NULL FROM runs WHERE finished_at IS NULL;
