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
