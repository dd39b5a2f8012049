-- The system's file as migration 3 leaves it: made once, never changed.
CREATE TABLE _migrations (
  number INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  min_reader INTEGER NOT NULL,
  written_by TEXT NOT NULL,
  applied_us INTEGER NOT NULL
) STRICT;
-- Which databases there are, and the models that schemas may name.

CREATE TABLE _databases (
  name TEXT PRIMARY KEY NOT NULL,
  -- The folder under data/<name>/ that holds the file: a restored or re-created
  -- database gets a new one, so that an old log never meets a new file.
  incarnation TEXT NOT NULL,
  created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE _models (
  name TEXT PRIMARY KEY NOT NULL,
  fingerprint TEXT NOT NULL,
  dimensions INTEGER NOT NULL,
  normalized INTEGER NOT NULL,
  max_tokens INTEGER NOT NULL,
  -- 1 for the one that the name `default` means.
  is_default INTEGER NOT NULL
) STRICT;

-- Folders of databases that are to be removed: of a database that was deleted,
-- or one whose creation is not done yet. What is here at a start is removed.
CREATE TABLE _removals (
  name TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  PRIMARY KEY (name, incarnation)
) STRICT, WITHOUT ROWID;

INSERT INTO _migrations (number, name, checksum, min_reader, written_by, applied_us) VALUES (1, '0001_databases.sql', 'e548dacec9c65191d06c3903c6dc45cab93d4da376e84e6b9b82e14a6bdc4f75', 1, 'engram 0.1.0', 1800000000000000);
INSERT INTO _migrations (number, name, checksum, min_reader, written_by, applied_us) VALUES (2, '0002_removals.sql', '0caa92098e7b6d46a46501a7291e4b37d4cc9c43d35b71a0295337168da9c05b', 1, 'engram 0.1.0', 1800000000000000);
INSERT INTO _databases (name, incarnation, created_us) VALUES ('default', '00000000000000aa', 1800000000000000);
INSERT INTO _models (name, fingerprint, dimensions, normalized, max_tokens, is_default) VALUES ('test/two', 'two-v1', 2, 1, 256, 1);
INSERT INTO _removals (name, incarnation) VALUES ('gone', '00000000000000bb');
-- min_reader: 1
-- Whose texts are not handed out to be embedded: those that meet every column
-- that is not empty.
CREATE TABLE _pauses (
  database TEXT NOT NULL,
  collection TEXT NOT NULL,
  provider TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  PRIMARY KEY (database, collection, provider)
) STRICT, WITHOUT ROWID;

INSERT INTO _migrations (number, name, checksum, min_reader, written_by, applied_us) VALUES (3, '0003_pauses.sql', 'f1888b2a44782f9c37dcee746fb41a9383b33d27f0c4a455e7f124201333622f', 1, 'engram 0.1.0', 1800000000000000);
INSERT INTO _pauses (database, collection, provider, created_us) VALUES ('default', 'notes', '', 1800000000000000);
