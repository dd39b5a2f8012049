-- A database file as version 0.1 leaves it once it holds collections, records, a
-- vector and a text that waits: made once, never changed.
CREATE TABLE _migrations (
  number INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  min_reader INTEGER NOT NULL,
  written_by TEXT NOT NULL,
  applied_us INTEGER NOT NULL
) STRICT;
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
CREATE TABLE "notes" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "title" TEXT,
  "kind" TEXT,
  "size" INTEGER,
  "score" REAL,
  "tags" TEXT
) STRICT;
CREATE TABLE "plain" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "f" INTEGER
) STRICT;
CREATE TABLE _vectors_1 (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, sequence INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
CREATE INDEX "_index.notes.kind" ON "notes" ("kind");
CREATE UNIQUE INDEX "_unique.notes.title" ON "notes" (ifnull("title", x''));
INSERT INTO "_migrations" (number, name, checksum, min_reader, written_by, applied_us) VALUES (1, '0001_records_log_outbox.sql', '86d911fad2e102dc850502d65d7b25b331e22e8d3f7767100a40ff44260f8a0c', 1, 'engram 0.1.0', 1800000000000000);
INSERT INTO "_meta" (name, value) VALUES ('epoch', 171);
INSERT INTO "_collections" (collection, name, schema, created_us, records) VALUES (1, 'notes', 'collection: notes
fields:
  title: {type: string, unique: true}
  kind:  {type: string, index: true, default: note}
  size:  {type: int}
  score: {type: double}
  tags:  {type: strings}
vectors:
  text: {source: [title, kind], model: test, metric: dot}
', 1800000000000001, 2);
INSERT INTO "_collections" (collection, name, schema, created_us, records) VALUES (2, 'plain', '{collection: plain, fields: {f: {type: int, required: true}}}', 1800000000000001, 1);
INSERT INTO "_generations" (generation, collection, vector_field, model, fingerprint, dimensions, created_us, records) VALUES (1, 1, 'text', 'test', 'test', 2, 1800000000000001, 1);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (1, 1, 1, 0, 'notes', x'', 511491396872397609, 1800000000000001);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (2, 1, 2, 0, 'plain', x'', 8284148918441298516, 1800000000000001);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (3, 2, 1, 1, 'a', x'220101', -4928445141483568174, 1800000000000002);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (4, 4, 1, 1, 'a', x'2001', 2737280258969723530, 1800000000000003);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (5, 2, 1, 2, 'gone', x'220101', -6480287114492417483, 1800000000000004);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (6, 3, 1, 2, 'gone', x'', 4026054268361906075, 1800000000000005);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (7, 2, 1, 3, 'b', x'220101', 5741013871995735537, 1800000000000006);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (8, 2, 2, 1, 'p', x'', 8468511060466799838, 1800000000000007);
INSERT INTO "_changes" (sequence, kind, collection, row, id, payload, checksum, committed_us) VALUES (9, 2, 1, 1, 'a', x'', -7964210647416300337, 1800000000000008);
INSERT INTO "_outbox" (entry, generation, row, content_hash, sequence) VALUES (1, 1, 3, x'16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4', 7);
INSERT INTO "notes" (_row, id, _version, _created_us, _updated_us, _sequence, title, kind, size, score, tags) VALUES (1, 'a', 2, 1800000000000002, 1800000000000008, 9, 'first', 'note', 5, 0.5, '["x","y"]');
INSERT INTO "notes" (_row, id, _version, _created_us, _updated_us, _sequence, title, kind, size, score, tags) VALUES (3, 'b', 1, 1800000000000006, 1800000000000006, 7, 'second', NULL, NULL, NULL, NULL);
INSERT INTO "plain" (_row, id, _version, _created_us, _updated_us, _sequence, f) VALUES (1, 'p', 1, 1800000000000007, 1800000000000007, 8, 7);
INSERT INTO "_vectors_1" (_key, content_hash, sequence, vector) VALUES (4096, x'9d65eb792b47ebf8dd1acd765ee392787f3fc65ffa8d2b581325d599c6b57e29', 4, x'0000803f00000000');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence (name, seq) VALUES ('_collections', 2);
INSERT INTO sqlite_sequence (name, seq) VALUES ('_generations', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('notes', 3);
INSERT INTO sqlite_sequence (name, seq) VALUES ('plain', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('_outbox', 1);
