#ifndef ENGRAM_LIBS_SQLITE_TESTING_UNSYNCED_FILES_H_
#define ENGRAM_LIBS_SQLITE_TESTING_UNSYNCED_FILES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace engram::testing {

// What a power loss would leave of files. Told of every change of a file, it
// knows what is on the disk for certain, and what may be.
//
// Thread-safe.
class UnsyncedFiles {
 public:
  // A disk writes a sector whole or not at all.
  static constexpr size_t kSectorBytes = 512;

  // Takes the file as it is now for synced, unless it is known already.
  void Open(const std::string& path);

  // Note what a process did to an open file.
  void Write(const std::string& path, size_t offset, absl::string_view bytes);
  void Truncate(const std::string& path, size_t size);
  void Sync(const std::string& path);
  // The file may come back until its directory is synced.
  void Delete(const std::string& path);
  // Syncs the directory that holds `path`. That a new file's name may be lost
  // without this is left out.
  void SyncDirectoryOf(const std::string& path);

  // Gives every file the content that a power loss would leave, and forgets
  // them: what was synced, and of the rest nothing, or all up to some moment,
  // or for each sector what it held at some moment of its own, chosen by
  // `random`. Nobody may have the files open.
  void LosePower(std::mt19937_64& random);

 private:
  // A write of `bytes` at `offset`, or the end of the file at `offset`.
  struct Change {
    bool is_truncate = false;
    size_t offset = 0;
    std::string bytes;
  };
  struct File {
    std::string synced;
    std::vector<Change> unsynced;
    bool is_deleted = false;
  };

  static void Apply(const Change& change, std::string& content);
  static std::string Survivor(const File& file, std::mt19937_64& random);
  static std::string Scramble(const File& file, std::mt19937_64& random);

  absl::Mutex mutex_;
  // By path.
  std::map<std::string, File> files_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_SQLITE_TESTING_UNSYNCED_FILES_H_
