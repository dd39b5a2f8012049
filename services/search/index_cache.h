#ifndef ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/search/database_index.h"

namespace engram::search {

// One database's indexes on disk, so that a restart need not read a snapshot.
//
// A cache and nothing more: what does not match its checksums is thrown away
// and read again from storage. A save writes new files, syncs them, and then
// replaces the manifest, which names them together with the position they are
// of; so a crash at any moment leaves the state of one save, whole. The layout
// is drawn in docs/design/index_cache.md.
//
// Not thread-safe.
class IndexCache {
 public:
  // Keeps its files in `directory`, which it creates when it first saves. An
  // empty `directory` keeps nothing.
  explicit IndexCache(std::string directory);

  // Returns what was saved last. Null if there is nothing, or nothing that can
  // be trusted, which is then logged and removed.
  std::shared_ptr<DatabaseIndex> Load();

  // Saves `index`, which nobody may change meanwhile; searches go on. After an
  // error the earlier save stands.
  absl::Status Save(const DatabaseIndex& index);

  // Removes the folder.
  void Remove();

 private:
  struct Manifest;

  absl::StatusOr<std::shared_ptr<DatabaseIndex>> TryLoad();
  absl::StatusOr<Manifest> ReadManifest() const;
  absl::Status CheckFiles(const Manifest& manifest) const;
  absl::Status LoadAttributes(const Manifest& manifest,
                              const DatabaseIndex& index) const;
  absl::Status WriteFiles(const DatabaseIndex& index, Manifest& manifest) const;
  // Removes what `manifest` does not name: the files of earlier saves and of
  // those that a crash cut short.
  void RemoveOthers(const Manifest& manifest) const;
  std::string PathOf(absl::string_view name) const;

  const std::string directory_;
  int64_t last_save_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_
