-- min_reader: 2
-- Durable queues of work.

CREATE TABLE _queues (
  name TEXT PRIMARY KEY NOT NULL,
  paused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
