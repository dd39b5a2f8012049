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
