#include "services/search/cache_manifest.h"

#include <limits>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"

namespace engram::search {
namespace {

// Stored. Raise the number with every change of format: an older cache is
// rebuilt, not converted.
constexpr absl::string_view kFirstLine = "engram-index-cache 6";

absl::Status Damaged(absl::string_view problem) {
  return absl::DataLossError(absl::StrCat("the manifest ", problem));
}

}  // namespace

std::string CacheManifest::Encode() const {
  std::string text = absl::StrFormat(
      "%s\nsave %d\nposition %s\nfeed_checksum %016x\ncollections %s\n",
      kFirstLine, save, position.ToString(), feed_checksum, collections_file);
  for (const auto& [collection, name] : expiry_files) {
    absl::StrAppendFormat(&text, "expiries %s %s\n", collection, name);
  }
  for (const auto& [collection, name] : attribute_files) {
    absl::StrAppendFormat(&text, "attributes %s %s\n", collection, name);
  }
  for (const auto& [generation, index] : indexes) {
    absl::StrAppend(&text, "index ", generation, " ", index.vectors, " ",
                    index.vector_changes, " ", index.ids, " ");
    absl::StrAppend(&text, index.id_changes, " ", index.keys,
                    index.graph.empty() ? "" : " ", index.graph, "\n");
  }
  for (const auto& [name, file] : files) {
    absl::StrAppendFormat(&text, "file %s %d %016x\n", name, file.size,
                          file.checksum);
  }
  absl::StrAppendFormat(&text, "end %016x\n", vector::Checksum(text));
  return text;
}

absl::StatusOr<CacheManifest> CacheManifest::Decode(absl::string_view text) {
  const size_t end = text.rfind("end ");
  if (end == absl::string_view::npos ||
      text.substr(end) !=
          absl::StrFormat("end %016x\n",
                          vector::Checksum(text.substr(0, end)))) {
    return Damaged("does not match its checksum");
  }
  std::vector<std::string> lines =
      absl::StrSplit(text.substr(0, end), '\n', absl::SkipEmpty());
  if (lines.empty() || lines.front() != kFirstLine) {
    return Damaged("is of another format");
  }
  CacheManifest manifest;
  for (size_t i = 1; i < lines.size(); ++i) {
    RETURN_IF_ERROR(manifest.DecodeLine(absl::StrSplit(lines[i], ' ')));
  }
  if (manifest.position.database.empty()) return Damaged("has no position");
  // The next save has the next number.
  if (manifest.save < 0 ||
      manifest.save == std::numeric_limits<int64_t>::max()) {
    return Damaged(absl::StrCat("is of save ", manifest.save));
  }
  RETURN_IF_ERROR(manifest.CheckNames());
  return manifest;
}

absl::Status CacheManifest::DecodeLine(const std::vector<std::string>& words) {
  int64_t generation = 0;
  FileSummary file;
  if (words.size() == 2 && words[0] == "position") {
    const absl::StatusOr<Position> parsed = Position::Parse(words[1]);
    if (!parsed.ok()) return Damaged(parsed.status().message());
    position = *parsed;
  } else if (words.size() == 2 && words[0] == "collections") {
    collections_file = words[1];
  } else if (words.size() == 3 && words[0] == "expiries") {
    expiry_files[words[1]] = words[2];
  } else if (words.size() == 3 && words[0] == "attributes") {
    attribute_files[words[1]] = words[2];
  } else if ((words.size() == 7 || words.size() == 8) && words[0] == "index" &&
             absl::SimpleAtoi(words[1], &generation)) {
    indexes[generation] = {.vectors = words[2],
                           .vector_changes = words[3],
                           .ids = words[4],
                           .id_changes = words[5],
                           .keys = words[6],
                           .graph = words.size() == 8 ? words[7] : ""};
  } else if (words.size() == 4 && words[0] == "file" &&
             absl::SimpleAtoi(words[2], &file.size) &&
             absl::SimpleHexAtoi(words[3], &file.checksum)) {
    files[words[1]] = file;
  } else if (!(words.size() == 2 &&
               ((words[0] == "save" && absl::SimpleAtoi(words[1], &save)) ||
                (words[0] == "feed_checksum" &&
                 absl::SimpleHexAtoi(words[1], &feed_checksum))))) {
    return Damaged(absl::StrCat("has a line that begins with ", words[0]));
  }
  return absl::OkStatus();
}

// A file without a checksum would be trusted, one outside of the folder not be
// ours.
absl::Status CacheManifest::CheckNames() const {
  std::set<std::string> named = {collections_file};
  for (const auto& [collection, name] : expiry_files) named.insert(name);
  for (const auto& [collection, name] : attribute_files) named.insert(name);
  for (const auto& [generation, index] : indexes) {
    named.insert({index.vectors, index.vector_changes, index.ids,
                  index.id_changes, index.keys});
    if (!index.graph.empty()) named.insert(index.graph);
  }
  for (const std::string& name : named) {
    if (!files.contains(name) || name.empty() || absl::StrContains(name, '/')) {
      return Damaged(absl::StrCat("names '", name, "' as a file"));
    }
  }
  if (named.size() != files.size()) return Damaged("has a file too many");
  return absl::OkStatus();
}

}  // namespace engram::search
