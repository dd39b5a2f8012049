-- The history of a database's schema, the permanent numbers of its fields, and
-- old versions of its records.

-- The number that the next record of a collection with `id: sequence` gets.
ALTER TABLE _collections ADD COLUMN next_id INTEGER NOT NULL DEFAULT 1;

-- Which number a field has for good, those of dropped fields included.
CREATE TABLE _fields (
  collection INTEGER NOT NULL,
  number INTEGER NOT NULL,
  -- A dropped field's is what it was called last.
  name TEXT NOT NULL,
  dropped_us INTEGER,
  PRIMARY KEY (collection, number)
) STRICT, WITHOUT ROWID;

-- What was applied.
CREATE TABLE _schema_migrations (
  -- From 1.
  version INTEGER PRIMARY KEY NOT NULL,
  applied_us INTEGER NOT NULL,
  -- engram.storage.v1.SchemaMigration with only the steps set.
  steps BLOB NOT NULL
) STRICT;

-- Every collection as a migration left it.
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

-- Versions of records that another has taken the place of.
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
CREATE INDEX _versions_id ON _versions (collection, id, version);
CREATE INDEX _versions_replaced ON _versions (collection, replaced_us);

-- Changes of collections: what a collection was called at another change.
CREATE INDEX _changes_schema ON _changes (collection, sequence)
  WHERE kind IN (5, 6);
