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
