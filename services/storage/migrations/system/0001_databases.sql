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
