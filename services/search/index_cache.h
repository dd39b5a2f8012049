#ifndef ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/search/cache_manifest.h"
#include "services/search/database_index.h"
#include "services/search/index.h"

namespace engram::search {

// One database's indexes on disk, so that a restart need not read a snapshot.
//
// A cache and nothing more: what does not match its checksums is thrown away
// and read again from storage. A save writes new files, syncs them, and then
// replaces the manifest, which names them together with the position they are
// of; so a crash at any moment leaves the state of one save, whole. A graph
// that has not changed stays in the file of the save that first had it, as do
// vectors and ids, which the indexes map from there. The layout is drawn in
// docs/design/index_cache.md.
//
// Not thread-safe.
class IndexCache {
 public:
  // Keeps its files in `directory`, which it creates when it first saves. An
  // empty `directory` keeps nothing.
  explicit IndexCache(std::string directory);

  // Says whether so many bytes fit into memory: the error if they do not.
  using FitsIntoMemory = absl::FunctionRef<absl::Status(int64_t bytes)>;

  // Returns what was saved last. Null if there is nothing, or nothing that can
  // be trusted, which is then logged and removed. The error of `fits`, which is
  // asked before the files of each index are read and once all are; then what
  // was saved stays.
  absl::StatusOr<std::shared_ptr<DatabaseIndex>> LoadIfFits(
      FitsIntoMemory fits);

  // The same, whatever it takes.
  std::shared_ptr<DatabaseIndex> Load();

  // Saves `index`, which nobody may change meanwhile; searches go on. After an
  // error the earlier save stands.
  absl::Status Save(const DatabaseIndex& index);

  // Whether one of the indexes has got a graph, or another, since it was saved:
  // then a save pays though the position is the same.
  bool LacksGraphOf(const DatabaseIndex& index) const;

  // Removes the folder.
  void Remove();

 private:
  // By generation.
  using SavedIndexes = std::map<int64_t, SavedIndex>;

  absl::StatusOr<std::shared_ptr<DatabaseIndex>> TryLoad(FitsIntoMemory fits);
  absl::Status CheckFiles(const CacheManifest& manifest) const;
  absl::Status LoadAttributes(const CacheManifest& manifest,
                              const DatabaseIndex& index) const;
  // Writes the files of a save and names them in `manifest`.
  absl::StatusOr<SavedIndexes> WriteFiles(const DatabaseIndex& index,
                                          CacheManifest& manifest) const;
  // Removes what `manifest` does not name: the files of earlier saves and of
  // those that a crash cut short.
  void RemoveOthers(const CacheManifest& manifest) const;
  std::string PathOf(absl::string_view name) const;

  const std::string directory_;
  // What was saved or loaded last.
  CacheManifest last_;
  SavedIndexes saved_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_CACHE_H_
