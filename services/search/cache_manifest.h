#ifndef ENGRAM_SERVICES_SEARCH_CACHE_MANIFEST_H_
#define ENGRAM_SERVICES_SEARCH_CACHE_MANIFEST_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/position/position.h"
#include "services/search/durable_file.h"

namespace engram::search {

// What a save of the index cache consists of; docs/design/index_cache.md draws
// its text. Files are named without their folder.
struct CacheManifest {
  struct IndexFiles {
    std::string vectors;
    std::string vector_changes;
    std::string ids;
    std::string id_changes;
    std::string keys;
    // Empty where there is no graph.
    std::string graph;

    friend bool operator==(const IndexFiles&, const IndexFiles&) = default;
  };

  // Numbers the saves; part of the name of every file that a save writes, so
  // that none touches the files of the one before.
  int64_t save = 0;
  Position position;
  uint64_t feed_checksum = 0;
  std::string collections_file;
  // When records expire: the file of each collection that has such.
  std::map<std::string, std::string> expiry_files;
  // What filters ask for: the file of each collection that has such.
  std::map<std::string, std::string> attribute_files;
  // By generation.
  std::map<int64_t, IndexFiles> indexes;
  // All that are named above, and no others.
  std::map<std::string, FileSummary> files;

  std::string Encode() const;

  // `DataLoss` for anything but what Encode returns, and for another format's.
  static absl::StatusOr<CacheManifest> Decode(absl::string_view text);

 private:
  absl::Status DecodeLine(const std::vector<std::string>& words);
  absl::Status CheckNames() const;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_CACHE_MANIFEST_H_
