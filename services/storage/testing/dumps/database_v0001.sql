-- A database file as version 0.1 leaves it: made once, never changed.
CREATE TABLE _migrations (
  number INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  min_reader INTEGER NOT NULL,
  written_by TEXT NOT NULL,
  applied_us INTEGER NOT NULL
) STRICT;
-- One database's own tables. A collection's records are in a table of its own
-- name (collection_table.h), a generation's vectors in _vectors_<generation>
-- (catalog.h).

-- epoch INTEGER: identifies the change log's history; random.
CREATE TABLE _meta (
  name TEXT PRIMARY KEY NOT NULL,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE _collections (
  collection INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  -- The YAML document that declared it.
  schema TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  -- How many records it holds.
  records INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE _generations (
  generation INTEGER PRIMARY KEY AUTOINCREMENT,
  collection INTEGER NOT NULL REFERENCES _collections (collection)
    DEFERRABLE INITIALLY DEFERRED,
  vector_field TEXT NOT NULL,
  model TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  dimensions INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  -- How many records have vectors of it, outdated ones included.
  records INTEGER NOT NULL DEFAULT 0,
  UNIQUE (collection, vector_field, generation)
) STRICT;

-- The change log: ordered by sequence, without gaps.
CREATE TABLE _changes (
  sequence INTEGER PRIMARY KEY NOT NULL,
  -- ChangeKind of change_log.h.
  kind INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- What else the kind needs, as change_log.h lays it out.
  payload BLOB NOT NULL,
  -- Of this change and all before it.
  checksum INTEGER NOT NULL,
  committed_us INTEGER NOT NULL
) STRICT;

-- Text that waits to be embedded: which record's, for which generation. The
-- text itself stays in the record.
CREATE TABLE _outbox (
  entry INTEGER PRIMARY KEY AUTOINCREMENT,
  generation INTEGER NOT NULL,
  row INTEGER NOT NULL,
  -- SHA-256 of the text.
  content_hash BLOB NOT NULL,
  -- Of the write that brought the text.
  sequence INTEGER NOT NULL,
  UNIQUE (generation, row)
) STRICT;

-- Answers kept for repeats of the same request.
CREATE TABLE _requests (
  -- In the order of creation.
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
  method TEXT NOT NULL,
  request_id TEXT NOT NULL,
  -- SHA-256 of the request.
  request_hash BLOB NOT NULL,
  response BLOB NOT NULL,
  -- Bytes of every response kept so far, this one included: the difference of
  -- two rows is what lies between them.
  bytes_through INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  UNIQUE (method, request_id)
) STRICT;

INSERT INTO _migrations (number, name, checksum, min_reader, written_by, applied_us) VALUES (1, '0001_records_log_outbox.sql', '86d911fad2e102dc850502d65d7b25b331e22e8d3f7767100a40ff44260f8a0c', 1, 'engram 0.1.0', 1800000000000000);
INSERT INTO _meta (name, value) VALUES ('epoch', 171);
