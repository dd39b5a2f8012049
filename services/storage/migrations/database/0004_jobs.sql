-- min_reader: 2
-- Durable queues of work. A job's row changes with each of its steps, so it
-- holds what they need and no more; what it is asked to do lies beside it.

-- The number of the next job: one a request is kept up to date, which costs less
-- than AUTOINCREMENT does for each row.
INSERT INTO _meta (name, value) VALUES ('next_job', 1);

CREATE TABLE _queues (
  queue INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  paused INTEGER NOT NULL DEFAULT 0,
  -- How many of its jobs stand where.
  ready INTEGER NOT NULL DEFAULT 0,
  scheduled INTEGER NOT NULL DEFAULT 0,
  blocked INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  succeeded INTEGER NOT NULL DEFAULT 0,
  dead INTEGER NOT NULL DEFAULT 0,
  cancelled INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Where a worker who takes any queue's jobs has to look.
CREATE INDEX _queues_ready ON _queues (queue) WHERE ready > 0 AND paused = 0;

CREATE TABLE _jobs (
  job INTEGER PRIMARY KEY NOT NULL,
  queue INTEGER NOT NULL,
  -- Job.State of job.proto; up to 4 it has not finished.
  state INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  -- From when on it is or was ready; of a blocked job: at the earliest.
  ready_us INTEGER NOT NULL,
  -- When it becomes ready (SCHEDULED), its lease ends (RUNNING), or it is dropped
  -- (finished). NULL: never.
  due_us INTEGER,
  -- How often it was leased.
  attempt INTEGER NOT NULL,
  -- How many attempts failed since it was added, or made ready by Retry.
  failures INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  -- How many jobs it waits for.
  blockers INTEGER NOT NULL,
  -- How many jobs wait for it.
  dependants INTEGER NOT NULL,
  -- For how long it is kept after it succeeded or was cancelled.
  keep_us INTEGER NOT NULL,
  progress REAL NOT NULL,
  started_us INTEGER,
  ended_us INTEGER,
  holder TEXT,
  unique_key TEXT
) STRICT;
CREATE INDEX _jobs_ready ON _jobs (queue, priority DESC, ready_us)
  WHERE state = 1;
CREATE INDEX _jobs_due ON _jobs (state, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX _jobs_dead ON _jobs (queue, job) WHERE state = 6;
CREATE UNIQUE INDEX _jobs_unique ON _jobs (queue, unique_key)
  WHERE unique_key IS NOT NULL AND state <= 4;

-- What never changes.
CREATE TABLE _job_specs (
  job INTEGER PRIMARY KEY NOT NULL,
  created_us INTEGER NOT NULL,
  delay_us INTEGER NOT NULL,
  backoff_us INTEGER NOT NULL,
  max_backoff_us INTEGER NOT NULL,
  keep_dead_us INTEGER NOT NULL,
  -- The numbers of the jobs that had to succeed first, with commas between them.
  after_jobs TEXT NOT NULL,
  -- google.protobuf.Struct; NULL if none was given.
  payload BLOB
) STRICT;

-- What Complete brought; only of jobs where it brought anything.
CREATE TABLE _job_results (
  job INTEGER PRIMARY KEY NOT NULL,
  -- google.protobuf.Struct.
  result BLOB NOT NULL
) STRICT;

-- The newest failures of each job.
CREATE TABLE _job_failures (
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failed_us INTEGER NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

-- Which jobs wait for which: no more than that, so an edge goes when its job
-- succeeds or its dependant is cancelled.
CREATE TABLE _job_edges (
  job INTEGER NOT NULL,
  dependant INTEGER NOT NULL,
  PRIMARY KEY (job, dependant)
) STRICT, WITHOUT ROWID;
CREATE INDEX _job_edges_dependant ON _job_edges (dependant);

-- What happened in each minute of the last day.
CREATE TABLE _job_minutes (
  -- Since 1970.
  minute INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  enqueued INTEGER NOT NULL,
  leased INTEGER NOT NULL,
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  died INTEGER NOT NULL,
  -- How long the jobs leased had been ready, and the attempts ended had run, in
  -- sum.
  wait_us INTEGER NOT NULL,
  run_us INTEGER NOT NULL,
  PRIMARY KEY (minute, queue)
) STRICT, WITHOUT ROWID;
