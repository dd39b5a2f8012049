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

-- All of one record, in the order of the changes.
CREATE INDEX _images_records ON _images (record_key);

-- Who follows the changes, and how far each is: `sequence` of the change log's
-- `epoch`.
CREATE TABLE _followers (
  name TEXT PRIMARY KEY NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  acknowledged_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
