// Brings a file's own tables to the version that this binary knows.

#ifndef ENGRAM_LIBS_SQLITE_MIGRATOR_H_
#define ENGRAM_LIBS_SQLITE_MIGRATOR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/sqlite/connection.h"

namespace engram::sqlite {

// One numbered SQL file, as engram_embed_migrations() of CMake compiles it in.
struct Migration {
  // From 1, without gaps.
  int number;
  // The file's name, such as "0001_change_log.sql".
  absl::string_view name;
  absl::string_view sql;
  // The least number that a binary must know to use a file with this
  // migration: this one's own, unless older binaries do no harm to it.
  int min_reader;
};

// Applies those of `migrations`, which are in order, that `connection`'s file
// has not had yet: one transaction each, which also records number, name,
// SHA-256, min_reader and `written_by`, the program and version at work. A
// crash between two is taken up by the next call.
//
// `FailedPrecondition` if a migration that the file had is another text now, if
// one before it was never applied, or if a newer binary left one whose
// min_reader is beyond the last of `migrations`; newer ones below that are left
// alone. The file is unchanged then.
absl::Status Migrate(Connection& connection,
                     absl::Span<const Migration> migrations,
                     absl::string_view written_by);

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_MIGRATOR_H_
