-- A database file as migration 6 leaves it: that of database_v0005.sql, migrated,
-- with a generation that served before, and what is left of one that is gone. Made
-- once, never changed.
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
, next_id INTEGER NOT NULL DEFAULT 1) STRICT;
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
, bytes_through INTEGER NOT NULL DEFAULT 0) STRICT;
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
CREATE TABLE _fields (
  collection INTEGER NOT NULL,
  number INTEGER NOT NULL,
  -- A dropped field's is what it was called last.
  name TEXT NOT NULL,
  dropped_us INTEGER,
  PRIMARY KEY (collection, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE _schema_migrations (
  -- From 1.
  version INTEGER PRIMARY KEY NOT NULL,
  applied_us INTEGER NOT NULL,
  -- engram.storage.v1.SchemaMigration with only the steps set.
  steps BLOB NOT NULL
) STRICT;
CREATE TABLE _schema_collections (
  version INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  name TEXT NOT NULL,
  -- The YAML document that declared it.
  schema TEXT NOT NULL,
  -- engram.storage.v1.Collection with only the fields set.
  fields BLOB NOT NULL,
  PRIMARY KEY (version, collection)
) STRICT, WITHOUT ROWID;
CREATE TABLE _versions (
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  version INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- The fields as a typed body.
  body BLOB NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  -- 1 if it ended by a delete.
  deleted INTEGER NOT NULL,
  replaced_us INTEGER NOT NULL,
  PRIMARY KEY (collection, row, version)
) STRICT, WITHOUT ROWID;
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
  "tags" TEXT, _expires_us INTEGER, _deleted_us INTEGER) STRICT;
CREATE TABLE _elements_1_5 (value TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (value, row)) STRICT, WITHOUT ROWID;
CREATE TABLE _vectors_1 (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, sequence INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
CREATE TABLE "plain" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "f" INTEGER
) STRICT;
CREATE TABLE "parents" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "n" INTEGER
) STRICT;
CREATE TABLE "children" (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  "parent" TEXT REFERENCES "parents" (id) DEFERRABLE INITIALLY DEFERRED,
  "v" INTEGER,
  "twice" INTEGER GENERATED ALWAYS AS (CASE typeof(2 * "v") WHEN 'integer' THEN 2 * "v" END) VIRTUAL
) STRICT;
CREATE VIRTUAL TABLE _text_1 USING fts5("title", content='notes', content_rowid='_row', tokenize='unicode61');
CREATE TABLE _images (
  -- Of the change that took the image's place, and of the one that made it.
  sequence INTEGER PRIMARY KEY NOT NULL,
  since INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  -- Hash of collection and id (record_images.cc).
  record_key INTEGER NOT NULL,
  version INTEGER NOT NULL,
  created_us INTEGER NOT NULL,
  updated_us INTEGER NOT NULL,
  expires_us INTEGER,
  -- The record's fields (record_body.h).
  body BLOB NOT NULL
) STRICT;
CREATE TABLE _followers (
  name TEXT PRIMARY KEY NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  acknowledged_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE _job_results (
  job INTEGER PRIMARY KEY NOT NULL,
  -- google.protobuf.Struct.
  result BLOB NOT NULL
) STRICT;
CREATE TABLE _job_failures (
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  failed_us INTEGER NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE _job_edges (
  job INTEGER NOT NULL,
  dependant INTEGER NOT NULL,
  PRIMARY KEY (job, dependant)
) STRICT, WITHOUT ROWID;
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
CREATE INDEX _versions_id ON _versions (collection, id, version);
CREATE INDEX _versions_replaced ON _versions (collection, replaced_us);
CREATE INDEX _changes_schema ON _changes (collection, sequence)
  WHERE kind IN (5, 6);
CREATE INDEX "_index.notes.kind" ON "notes" ("kind");
CREATE INDEX "_ref.children.parent" ON "children" ("parent");
CREATE UNIQUE INDEX "_unique.notes.title" ON "notes" (ifnull("title", x'')) WHERE _deleted_us IS NULL;
CREATE INDEX "_expires.notes" ON "notes" (_expires_us) WHERE _expires_us IS NOT NULL;
CREATE INDEX "_deleted.notes" ON "notes" (_deleted_us) WHERE _deleted_us IS NOT NULL;
CREATE INDEX _changes_names ON _changes (collection, sequence)
WHERE kind IN (5, 6);
CREATE INDEX _images_records ON _images (record_key);
CREATE INDEX _queues_ready ON _queues (queue) WHERE ready > 0 AND paused = 0;
CREATE INDEX _jobs_ready ON _jobs (queue, priority DESC, ready_us)
  WHERE state = 1;
CREATE INDEX _jobs_due ON _jobs (state, due_us) WHERE due_us IS NOT NULL;
CREATE INDEX _jobs_dead ON _jobs (queue, job) WHERE state = 6;
CREATE UNIQUE INDEX _jobs_unique ON _jobs (queue, unique_key)
  WHERE unique_key IS NOT NULL AND state <= 4;
CREATE INDEX _job_edges_dependant ON _job_edges (dependant);
INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (1, '0001_records_log_outbox.sql', '86d911fad2e102dc850502d65d7b25b331e22e8d3f7767100a40ff44260f8a0c', 1, 'engram 0.1.0', 1795236035270409);
INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (2, '0002_schema_history.sql', 'ff0de2b909c928946e015846b7abe7d0ed2cd7efda42b0a2aff33e9fcf16fa4d', 2, 'engram 0.1.0', 1795236035273407);
INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (3, '0003_feed.sql', 'c91363eab1ce63eff4f8437e78c086c54cf5602b301b00b0400a92434bd35f64', 3, 'engram 0.1.0', 1795894982265431);
INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (4, '0004_jobs.sql', '570bb9f9ddfdd29664c19ec08f5116dd06a5e28f185e082e658318c154ad7a79', 2, 'engram 0.1.0', 1795894982271579);
INSERT INTO "_meta" ("name", "value") VALUES ('epoch', 5255457432188462395);
INSERT INTO "_meta" ("name", "value") VALUES ('next_job', 2);
INSERT INTO "_collections" ("collection", "name", "schema", "created_us", "records", "next_id") VALUES (1, 'notes', 'collection: notes
fields:
  title: {type: string, unique: true}
  kind:  {type: string, index: true, default: note}
  size:  {type: int}
  score: {type: double}
  tags:  {type: strings, index: true}
full_text: [title]
history: true
soft_delete: true
expire: {after: 36500d}
vectors:
  text: {source: [title, kind], model: test, metric: dot}
', 1800000000000000, 2, 1);
INSERT INTO "_collections" ("collection", "name", "schema", "created_us", "records", "next_id") VALUES (2, 'plain', '{collection: plain, fields: {f: {type: int, required: true}}}', 1800000000000000, 1, 1);
INSERT INTO "_collections" ("collection", "name", "schema", "created_us", "records", "next_id") VALUES (3, 'parents', 'collection: parents
fields: {n: {type: int}}
', 1800000000000000, 1, 1);
INSERT INTO "_collections" ("collection", "name", "schema", "created_us", "records", "next_id") VALUES (4, 'children', 'collection: children
id: sequence
fields: {parent: {type: ref(parents), on_delete: cascade}, v: {type: int}, twice: {type: int, generated: v * 2}}
rollups: {parent: parent, set: {n: count}}
', 1800000000000000, 1, 2);
INSERT INTO "_generations" ("generation", "collection", "vector_field", "model", "fingerprint", "dimensions", "created_us", "records") VALUES (1, 1, 'text', 'test', 'test', 2, 1800000000000000, 1);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (1, 1, 1, 0, 'notes', x'', -6950304565289012297, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (2, 1, 2, 0, 'plain', x'', 6366965469765898913, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (3, 1, 3, 0, 'parents', x'', 7550508218651627084, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (4, 2, 1, 1, 'a', x'220101', 569306791559233241, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (5, 2, 1, 2, 'gone', x'220101', 1269475265262867734, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (6, 3, 1, 2, 'gone', x'', -6858613626851976050, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (7, 2, 1, 3, 'b', x'220101', 7389830287390871914, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (8, 2, 2, 1, 'p', x'', -7266667190139090738, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (9, 2, 3, 1, 'one', x'', -6036834076815865973, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (10, 5, 1, 0, 'notes', x'6e6f746573', -3654803100989334720, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (11, 1, 4, 0, 'children', x'', -3463674868755426012, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (12, 2, 4, 1, '1', x'', -8096594150846643754, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (13, 2, 3, 1, 'one', x'', 2971437504910163771, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (14, 2, 1, 1, 'a', x'32060880e087ba12', 4859813435002832793, 1800000000000000, 0);
INSERT INTO "_changes" ("sequence", "kind", "collection", "row", "id", "payload", "checksum", "committed_us", "bytes_through") VALUES (15, 2, 1, 3, 'b', x'32060880e087ba12', 2243110781877928958, 1800000000000000, 135);
INSERT INTO "_outbox" ("entry", "generation", "row", "content_hash", "sequence") VALUES (3, 1, 3, x'488ab8adfb6ca40132b0126f751e1f0572a55d0d1e334213720729b8167f3dc4', 7);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 1, 'title', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 2, 'kind', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 3, 'size', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 4, 'score', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 5, 'tags', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (1, 6, 'gone', 1800000000000000);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (2, 1, 'f', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (3, 1, 'n', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (4, 1, 'parent', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (4, 2, 'v', NULL);
INSERT INTO "_fields" ("collection", "number", "name", "dropped_us") VALUES (4, 3, 'twice', NULL);
INSERT INTO "_schema_migrations" ("version", "applied_us", "steps") VALUES (1, 1800000000000000, x'1ae1060a056e6f746573121963726561746520636f6c6c656374696f6e20226e6f746573221ac002435245415445205441424c4520226e6f7465732220280a20205f726f7720494e5445474552205052494d415259204b4559204155544f494e4352454d454e542c0a202069642054455854204e4f54204e554c4c20554e495155452c0a20205f76657273696f6e20494e5445474552204e4f54204e554c4c2c0a20205f637265617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f757064617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f73657175656e636520494e5445474552204e4f54204e554c4c2c0a2020227469746c652220544558542c0a2020226b696e642220544558542c0a20202273697a652220494e54454745522c0a20202273636f726522205245414c2c0a202022746167732220544558542c0a202022676f6e652220494e54454745520a29205354524943541a3443524541544520494e44455820225f696e6465782e6e6f7465732e6b696e6422204f4e20226e6f746573222028226b696e6422291a76435245415445205441424c45205f656c656d656e74735f315f35202876616c75652054455854204e4f54204e554c4c2c20726f7720494e5445474552204e4f54204e554c4c2c205052494d415259204b4559202876616c75652c20726f772929205354524943542c20574954484f555420524f5749441a4b43524541544520554e4951554520494e44455820225f756e697175652e6e6f7465732e7469746c6522204f4e20226e6f74657322202869666e756c6c28227469746c65222c2078272729291a6d435245415445205649525455414c205441424c45205f746578745f31205553494e47206674733528227469746c65222c20636f6e74656e743d276e6f746573272c20636f6e74656e745f726f7769643d275f726f77272c20746f6b656e697a653d27756e69636f6465363127291a8f01435245415445205441424c45205f766563746f72735f3120285f6b657920494e5445474552205052494d415259204b4559204e4f54204e554c4c2c20636f6e74656e745f6861736820424c4f42204e4f54204e554c4c2c2073657175656e636520494e5445474552204e4f54204e554c4c2c20766563746f7220424c4f42204e4f54204e554c4c29205354524943541a92020a05706c61696e121963726561746520636f6c6c656374696f6e2022706c61696e221aed01435245415445205441424c452022706c61696e2220280a20205f726f7720494e5445474552205052494d415259204b4559204155544f494e4352454d454e542c0a202069642054455854204e4f54204e554c4c20554e495155452c0a20205f76657273696f6e20494e5445474552204e4f54204e554c4c2c0a20205f637265617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f757064617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f73657175656e636520494e5445474552204e4f54204e554c4c2c0a202022662220494e54454745520a29205354524943541a98020a07706172656e7473121b63726561746520636f6c6c656374696f6e2022706172656e7473221aef01435245415445205441424c452022706172656e74732220280a20205f726f7720494e5445474552205052494d415259204b4559204155544f494e4352454d454e542c0a202069642054455854204e4f54204e554c4c20554e495155452c0a20205f76657273696f6e20494e5445474552204e4f54204e554c4c2c0a20205f637265617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f757064617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f73657175656e636520494e5445474552204e4f54204e554c4c2c0a2020226e2220494e54454745520a2920535452494354');
INSERT INTO "_schema_migrations" ("version", "applied_us", "steps") VALUES (2, 1800000000000000, x'1a400a056e6f746573121564726f7020756e69717565206b6579207469746c651a2044524f5020494e44455820225f756e697175652e6e6f7465732e7469746c65221a460a056e6f746573121164726f70206669656c642022676f6e65221a26414c544552205441424c4520226e6f746573222044524f5020434f4c554d4e2022676f6e6522200228011a4f0a056e6f74657312126c6574207265636f726473206578706972651a32414c544552205441424c4520226e6f746573222041444420434f4c554d4e205f657870697265735f757320494e54454745521a510a056e6f74657312146b6565702064656c65746564207265636f7264731a32414c544552205441424c4520226e6f746573222041444420434f4c554d4e205f64656c657465645f757320494e54454745521a630a056e6f7465731217736574207768656e207265636f726473206578706972651a3f55504441544520226e6f7465732220534554205f657870697265735f7573203d205f637265617465645f7573202b203331353336303030303030303030303020021a88040a086368696c6472656e121c63726561746520636f6c6c656374696f6e20226368696c6472656e221a9f03435245415445205441424c4520226368696c6472656e2220280a20205f726f7720494e5445474552205052494d415259204b4559204155544f494e4352454d454e542c0a202069642054455854204e4f54204e554c4c20554e495155452c0a20205f76657273696f6e20494e5445474552204e4f54204e554c4c2c0a20205f637265617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f757064617465645f757320494e5445474552204e4f54204e554c4c2c0a20205f73657175656e636520494e5445474552204e4f54204e554c4c2c0a202022706172656e74222054455854205245464552454e4345532022706172656e74732220286964292044454645525241424c4520494e495449414c4c592044454645525245442c0a202022762220494e54454745522c0a20202274776963652220494e54454745522047454e45524154454420414c5741595320415320284341534520747970656f662832202a2022762229205748454e2027696e746567657227205448454e2032202a2022762220454e4429205649525455414c0a29205354524943541a3c43524541544520494e44455820225f7265662e6368696c6472656e2e706172656e7422204f4e20226368696c6472656e22202822706172656e7422291a88010a056e6f74657312166275696c6420756e69717565206b6579207469746c651a6543524541544520554e4951554520494e44455820225f756e697175652e6e6f7465732e7469746c6522204f4e20226e6f74657322202869666e756c6c28227469746c65222c207827272929205748455245205f64656c657465645f7573204953204e554c4c20021a89010a056e6f74657312286275696c6420696e646578206f6620776861742068617320612074696d6520746f206578706972651a5443524541544520494e44455820225f657870697265732e6e6f74657322204f4e20226e6f7465732220285f657870697265735f757329205748455245205f657870697265735f7573204953204e4f54204e554c4c20021a85010a056e6f74657312246275696c6420696e646578206f66207768617420686173206265656e2064656c657465641a5443524541544520494e44455820225f64656c657465642e6e6f74657322204f4e20226e6f7465732220285f64656c657465645f757329205748455245205f64656c657465645f7573204953204e4f54204e554c4c20021a2b0a086368696c6472656e121f636f6d707574652074686520726f6c6c2d7570206f662022706172656e7422');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (1, 1, 'notes', 'collection: notes
fields:
  title: {type: string, unique: true}
  kind:  {type: string, index: true, default: note}
  size:  {type: int}
  score: {type: double}
  tags:  {type: strings, index: true}
  gone:  {type: int}
full_text: [title]
history: true
vectors:
  text: {source: [title, kind], model: test, metric: dot}
', x'2a110a057469746c651206737472696e6718012a100a046b696e641206737472696e6718022a0d0a0473697a651203696e7418032a110a0573636f72651206646f75626c6518042a110a04746167731207737472696e677318052a0d0a04676f6e651203696e741806');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (1, 2, 'plain', '{collection: plain, fields: {f: {type: int, required: true}}}', x'2a0a0a01661203696e741801');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (1, 3, 'parents', 'collection: parents
fields: {n: {type: int}}
', x'2a0a0a016e1203696e741801');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (2, 1, 'notes', 'collection: notes
fields:
  title: {type: string, unique: true}
  kind:  {type: string, index: true, default: note}
  size:  {type: int}
  score: {type: double}
  tags:  {type: strings, index: true}
full_text: [title]
history: true
soft_delete: true
expire: {after: 36500d}
vectors:
  text: {source: [title, kind], model: test, metric: dot}
', x'2a110a057469746c651206737472696e6718012a100a046b696e641206737472696e6718022a0d0a0473697a651203696e7418032a110a0573636f72651206646f75626c6518042a110a04746167731207737472696e67731805');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (2, 2, 'plain', '{collection: plain, fields: {f: {type: int, required: true}}}', x'2a0a0a01661203696e741801');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (2, 3, 'parents', 'collection: parents
fields: {n: {type: int}}
', x'2a0a0a016e1203696e741801');
INSERT INTO "_schema_collections" ("version", "collection", "name", "schema", "fields") VALUES (2, 4, 'children', 'collection: children
id: sequence
fields: {parent: {type: ref(parents), on_delete: cascade}, v: {type: int}, twice: {type: int, generated: v * 2}}
rollups: {parent: parent, set: {n: count}}
', x'2a180a06706172656e74120c72656628706172656e74732918012a0a0a01761203696e7418022a0e0a0574776963651203696e741803');
INSERT INTO "_versions" ("collection", "row", "version", "id", "body", "created_us", "updated_us", "deleted", "replaced_us") VALUES (1, 1, 1, 'a', x'0a05666972737412046e6f7465180421000000000000e03f2a060a01780a0179', 1800000000000000, 1800000000000000, 0, 1800000000000000);
INSERT INTO "_versions" ("collection", "row", "version", "id", "body", "created_us", "updated_us", "deleted", "replaced_us") VALUES (1, 2, 1, 'gone', x'0a04676f6e6512046e6f7465', 1800000000000000, 1800000000000000, 1, 1800000000000000);
INSERT INTO "_versions" ("collection", "row", "version", "id", "body", "created_us", "updated_us", "deleted", "replaced_us") VALUES (1, 3, 1, 'b', x'0a067365636f6e6412046e6f7465', 1800000000000000, 1800000000000000, 0, 1800000000000000);
INSERT INTO "notes" ("_row", "id", "_version", "_created_us", "_updated_us", "_sequence", "title", "kind", "size", "score", "tags", "_expires_us", "_deleted_us") VALUES (1, 'a', 2, 1800000000000000, 1800000000000000, 14, 'first', 'note', 5, 0.5, '["x","y"]', 4953600000000000, NULL);
INSERT INTO "notes" ("_row", "id", "_version", "_created_us", "_updated_us", "_sequence", "title", "kind", "size", "score", "tags", "_expires_us", "_deleted_us") VALUES (3, 'b', 2, 1800000000000000, 1800000000000000, 15, 'second', 'note', 8, NULL, NULL, 4953600000000000, NULL);
INSERT INTO "_elements_1_5" ("value", "row") VALUES ('x', 1);
INSERT INTO "_elements_1_5" ("value", "row") VALUES ('y', 1);
INSERT INTO "_vectors_1" ("_key", "content_hash", "sequence", "vector") VALUES (4096, x'9d65eb792b47ebf8dd1acd765ee392787f3fc65ffa8d2b581325d599c6b57e29', 4, x'0000803f00000000');
INSERT INTO "plain" ("_row", "id", "_version", "_created_us", "_updated_us", "_sequence", "f") VALUES (1, 'p', 1, 1800000000000000, 1800000000000000, 8, 7);
INSERT INTO "parents" ("_row", "id", "_version", "_created_us", "_updated_us", "_sequence", "n") VALUES (1, 'one', 2, 1800000000000000, 1800000000000000, 13, 1);
INSERT INTO "children" ("_row", "id", "_version", "_created_us", "_updated_us", "_sequence", "parent", "v") VALUES (1, '1', 1, 1800000000000000, 1800000000000000, 12, 'one', 2);
INSERT INTO "_images" ("sequence", "since", "collection", "record_key", "version", "created_us", "updated_us", "expires_us", "body") VALUES (15, 7, 1, 5370272265205883610, 1, 1800000000000000, 1800000000000000, 4953600000000000, x'0a067365636f6e6412046e6f7465');
INSERT INTO "_followers" ("name", "epoch", "sequence", "acknowledged_us") VALUES ('mirror', 5255457432188462395, 15, 1800000000000000);
INSERT INTO "_queues" ("queue", "name", "paused", "ready", "scheduled", "blocked", "running", "succeeded", "dead", "cancelled") VALUES (1, 'mail', 0, 1, 0, 0, 0, 0, 0, 0);
INSERT INTO "_jobs" ("job", "queue", "state", "priority", "ready_us", "due_us", "attempt", "failures", "max_attempts", "blockers", "dependants", "keep_us", "progress", "started_us", "ended_us", "holder", "unique_key") VALUES (1, 1, 1, 0, 1800000000000000, NULL, 0, 0, 3, 0, 0, 3600000000, 0.0, NULL, NULL, NULL, NULL);
INSERT INTO "_job_specs" ("job", "created_us", "delay_us", "backoff_us", "max_backoff_us", "keep_dead_us", "after_jobs", "payload") VALUES (1, 1800000000000000, 0, 2000000, 3600000000, 604800000000, '', x'0a090a02746f12031a0161');
INSERT INTO "_job_minutes" ("minute", "queue", "enqueued", "leased", "succeeded", "failed", "died", "wait_us", "run_us") VALUES (30000000, 1, 1, 0, 0, 0, 0, 0, 0);
INSERT INTO _text_1 (_text_1) VALUES ('rebuild');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence (name, seq) VALUES ('_collections', 4);
INSERT INTO sqlite_sequence (name, seq) VALUES ('_generations', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('_outbox', 3);
INSERT INTO sqlite_sequence (name, seq) VALUES ('_queues', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('children', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('notes', 4);
INSERT INTO sqlite_sequence (name, seq) VALUES ('parents', 1);
INSERT INTO sqlite_sequence (name, seq) VALUES ('plain', 1);
-- Texts that could not be embedded, and what embedding used. An older binary
-- would write a record's new text and leave the failure of the old one, so it must
-- not.

-- How often a text was tried that was not embedded, for its own fault.
ALTER TABLE _outbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;

-- What no write waits for: texts of a backfill, and those tried again. They are
-- handed out after the others, in the order of the entries.
CREATE INDEX _outbox_backlog ON _outbox (generation, entry) WHERE sequence = 0;

-- Texts that could not be embedded: which record's, for which generation. There
-- is an entry of _outbox, or a row here, or neither, never both.
CREATE TABLE _failures (
  -- In the order in which they failed; never reused.
  failure INTEGER PRIMARY KEY AUTOINCREMENT,
  generation INTEGER NOT NULL,
  row INTEGER NOT NULL,
  -- SHA-256 of the text.
  content_hash BLOB NOT NULL,
  -- FailureReason of vector.proto.
  reason INTEGER NOT NULL,
  -- The provider's own words, shortened.
  message TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  failed_us INTEGER NOT NULL,
  UNIQUE (generation, row)
) STRICT;

-- What embedding used in each hour.
CREATE TABLE _embedding_usage (
  -- Since 1970.
  hour INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  texts INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  cost_nanousd INTEGER NOT NULL,
  PRIMARY KEY (hour, provider, model)
) STRICT, WITHOUT ROWID;

INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (5, '0005_embedding.sql', 'd36656935cfddc5d0b506f21b1ed34814ded43d5010fcc014ed140815a4a153c', 5, 'engram 0.1.0', 1795900000000000);
INSERT INTO _failures (generation, row, content_hash, reason, message, attempts, failed_us)
SELECT generation, row, content_hash, 1, 'the text is too long', 1, 1800000000000000 FROM _outbox;
DELETE FROM _outbox;
INSERT INTO _embedding_usage (hour, provider, model, requests, texts, tokens, cost_nanousd) VALUES (500000, 'test', 'test', 1, 1, 4, 80);

-- Several generations of one vector field: one serves, another is being filled,
-- or kept for going back. An older binary would take any of them for the one that
-- serves, and leave the others' vectors as they are, so it must not.

-- Whether queries are answered from it: one of each vector field.
ALTER TABLE _generations ADD COLUMN serves INTEGER NOT NULL DEFAULT 1;
-- How its vectors are made: engram.storage.v1.Generation with only source,
-- template, metric and chunking set. NULL in the one of each vector field that is
-- what the schema declares.
ALTER TABLE _generations ADD COLUMN declaration BLOB;
-- Its backfill: records up to the row `backfill_last` were there before it, and
-- those up to `backfill_row` have been looked at.
ALTER TABLE _generations ADD COLUMN backfill_row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE _generations ADD COLUMN backfill_last INTEGER NOT NULL DEFAULT 0;
-- 1 if it is to serve once it is complete, where the schema's `cutover` is auto.
ALTER TABLE _generations ADD COLUMN awaits_cutover INTEGER NOT NULL DEFAULT 0;
-- When it stopped serving; NULL if it never did.
ALTER TABLE _generations ADD COLUMN retired_us INTEGER;

-- Generations that are gone. Their vectors, entries and failures go bit by bit,
-- then their tables, then their rows here.
CREATE TABLE _dropped_generations (
  generation INTEGER PRIMARY KEY NOT NULL
) STRICT;

-- The last change of the migration; NULL in those from before this column. From
-- here on _schema_collections.fields holds the whole engram.storage.v1.Collection
-- but its schema, so that the feed tells of it as it was.
ALTER TABLE _schema_migrations ADD COLUMN sequence INTEGER;

INSERT INTO "_migrations" ("number", "name", "checksum", "min_reader", "written_by", "applied_us") VALUES (6, '0006_generations.sql', '9cea38e2898b9abb142f5df01613966e25bf97a3607ec2c9af34ee60bd0b5dc6', 6, 'engram 0.1.0', 1796000000000000);
INSERT INTO "_generations" ("generation", "collection", "vector_field", "model", "fingerprint", "dimensions", "created_us", "records", "serves", "declaration", "retired_us") VALUES (2, 1, 'text', 'test', 'test', 2, 1790000000000000, 1, 0, x'2a057469746c653801', 1796000000000000);
CREATE TABLE _vectors_2 (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, sequence INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
INSERT INTO _vectors_2 SELECT * FROM _vectors_1;
CREATE TABLE _vectors_3 (_key INTEGER PRIMARY KEY NOT NULL, content_hash BLOB NOT NULL, sequence INTEGER NOT NULL, vector BLOB NOT NULL) STRICT;
INSERT INTO _vectors_3 SELECT * FROM _vectors_1;
INSERT INTO _dropped_generations (generation) VALUES (3);
UPDATE sqlite_sequence SET seq = 3 WHERE name = '_generations';
