-- min_reader: 1
-- Folders of databases that are to be removed: of a database that was deleted,
-- or one whose creation is not done yet. What is here at a start is removed.
CREATE TABLE _removals (
  name TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  PRIMARY KEY (name, incarnation)
) STRICT, WITHOUT ROWID;
