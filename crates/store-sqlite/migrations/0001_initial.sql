CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  epoch INTEGER NOT NULL
) STRICT;

INSERT INTO meta (one, epoch) VALUES (1, 0);

CREATE TABLE run (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  shard INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  file TEXT,
  definition BLOB NOT NULL,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  wake_at INTEGER
) STRICT;

-- An index ends with the rowid, so this one is in the order of the list.
CREATE INDEX run_tenant ON run (tenant);

CREATE INDEX run_unfinished ON run (no) WHERE status NOT IN ('completed', 'partial', 'failed', 'cancelled');

CREATE TABLE event (
  pos INTEGER PRIMARY KEY,
  run_no INTEGER NOT NULL,
  seq INTEGER NOT NULL CHECK (seq > 0),
  count INTEGER NOT NULL,
  at INTEGER NOT NULL,
  hash BLOB NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (run_no, seq)
) STRICT;

-- `project` is '' and `run_no` null where they do not apply.
CREATE TABLE budget (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL CHECK (scope IN ('tenant', 'project', 'run')),
  tenant TEXT NOT NULL,
  project TEXT NOT NULL,
  run_no INTEGER,
  meter TEXT NOT NULL CHECK (meter IN ('usd', 'tokens', 'calls')),
  limit_ INTEGER NOT NULL,
  ceiling INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  overage INTEGER NOT NULL,
  frozen INTEGER NOT NULL CHECK (frozen IN (0, 1)),
  CHECK (spent >= 0 AND reserved >= 0 AND overage >= 0 AND spent + reserved <= ceiling),
  CHECK (limit_ >= 0 AND limit_ <= ceiling),
  CHECK ((scope = 'run') = (run_no IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX budget_run ON budget (run_no, meter) WHERE run_no IS NOT NULL;

CREATE UNIQUE INDEX budget_owner ON budget (tenant, scope, project, meter) WHERE run_no IS NULL;

CREATE TABLE blob (
  tenant TEXT NOT NULL,
  hash BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (tenant, hash)
) STRICT;
