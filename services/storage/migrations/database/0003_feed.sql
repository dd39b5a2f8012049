-- What the change feed tells applications, and what it keeps for followers.
-- An older binary would write changes without their bytes and their images, so
-- it must not.

-- Bytes of every change so far, this one and its image included: the difference
-- of two rows is what lies between them. 0 in changes from before this column.
ALTER TABLE _changes ADD COLUMN bytes_through INTEGER NOT NULL DEFAULT 0;

-- When collections got their names: kCollectionChanged and kCollectionDropped
-- of change_log.h.
CREATE INDEX _changes_names ON _changes (collection, sequence)
WHERE kind IN (5, 6);

-- Records as they were before a change; kept as long as the change.
CREATE TABLE _images (
  collection INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- Of the change that took the image's place, and of the one that made it.
  sequence INTEGER NOT NULL,
  since INTEGER NOT NULL,
  -- engram.storage.v1.Record with a typed body, without its id.
  record BLOB NOT NULL,
  PRIMARY KEY (collection, id, sequence)
) STRICT, WITHOUT ROWID;

-- Who follows the changes, and how far each is: `sequence` of the change log's
-- `epoch`.
CREATE TABLE _followers (
  name TEXT PRIMARY KEY NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  acknowledged_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
