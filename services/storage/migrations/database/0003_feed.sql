-- min_reader: 2
-- What the change feed tells applications, and what it keeps for followers.

-- Bytes of every change so far, this one and its image included: the difference
-- of two rows is what lies between them. 0 in changes from before this column.
ALTER TABLE _changes ADD COLUMN bytes_through INTEGER NOT NULL DEFAULT 0;

-- Records as they were before a change; kept as long as the change.
CREATE TABLE _images (
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  -- Of the change that took the image's place.
  sequence INTEGER NOT NULL,
  -- engram.storage.v1.Record with a typed body.
  record BLOB NOT NULL,
  PRIMARY KEY (collection, row, sequence)
) STRICT, WITHOUT ROWID;

-- Who follows the changes, and how far each is.
CREATE TABLE _followers (
  name TEXT PRIMARY KEY NOT NULL,
  sequence INTEGER NOT NULL,
  acknowledged_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
