#include "services/search/index_cache.h"

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/log/log.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"
#include "services/search/durable_file.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;

// Stored. Raise the number with every change of format: an older cache is
// rebuilt, not converted.
constexpr absl::string_view kFirstLine = "engram-index-cache 4";
constexpr absl::string_view kManifestName = "manifest";

absl::Status Damaged(absl::string_view problem) {
  return absl::DataLossError(absl::StrCat("the manifest ", problem));
}

}  // namespace

struct IndexCache::Manifest {
  // Numbers the saves; part of every file's name, so that no save touches the
  // files of the one before.
  int64_t save = 0;
  Position position;
  uint64_t feed_checksum = 0;
  std::string collections_file;
  // When records expire: the file of each collection that has such.
  std::map<std::string, std::string> expiry_files;
  // What filters ask for: the file of each collection that has such.
  std::map<std::string, std::string> attribute_files;
  // The common beginning of the files of each generation's index.
  std::map<int64_t, std::string> index_stems;
  std::map<std::string, FileSummary> files;

  std::string Encode() const;
  static absl::StatusOr<Manifest> Decode(absl::string_view text);
  absl::Status DecodeLine(const std::vector<std::string>& words);
};

std::string IndexCache::Manifest::Encode() const {
  std::string text = absl::StrFormat(
      "%s\nsave %d\nposition %s\nfeed_checksum %016x\ncollections %s\n",
      kFirstLine, save, position.ToString(), feed_checksum, collections_file);
  for (const auto& [collection, name] : expiry_files) {
    absl::StrAppendFormat(&text, "expiries %s %s\n", collection, name);
  }
  for (const auto& [collection, name] : attribute_files) {
    absl::StrAppendFormat(&text, "attributes %s %s\n", collection, name);
  }
  for (const auto& [generation, stem] : index_stems) {
    absl::StrAppendFormat(&text, "index %d %s\n", generation, stem);
  }
  for (const auto& [name, file] : files) {
    absl::StrAppendFormat(&text, "file %s %d %016x\n", name, file.size,
                          file.checksum);
  }
  absl::StrAppendFormat(&text, "end %016x\n", vector::Checksum(text));
  return text;
}

absl::StatusOr<IndexCache::Manifest> IndexCache::Manifest::Decode(
    absl::string_view text) {
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
  Manifest manifest;
  for (size_t i = 1; i < lines.size(); ++i) {
    RETURN_IF_ERROR(manifest.DecodeLine(absl::StrSplit(lines[i], ' ')));
  }
  return manifest;
}

absl::Status IndexCache::Manifest::DecodeLine(
    const std::vector<std::string>& words) {
  int64_t generation = 0;
  FileSummary file;
  if (words.size() == 2 && words[0] == "position") {
    ASSIGN_OR_RETURN(position, Position::Parse(words[1]));
  } else if (words.size() == 2 && words[0] == "collections") {
    collections_file = words[1];
  } else if (words.size() == 3 && words[0] == "expiries") {
    expiry_files[words[1]] = words[2];
  } else if (words.size() == 3 && words[0] == "attributes") {
    attribute_files[words[1]] = words[2];
  } else if (words.size() == 3 && words[0] == "index" &&
             absl::SimpleAtoi(words[1], &generation)) {
    index_stems[generation] = words[2];
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

IndexCache::IndexCache(std::string directory)
    : directory_(std::move(directory)) {}

std::shared_ptr<DatabaseIndex> IndexCache::Load() {
  if (directory_.empty()) return nullptr;
  absl::StatusOr<std::shared_ptr<DatabaseIndex>> index = TryLoad();
  if (index.ok()) return *std::move(index);
  if (!absl::IsNotFound(index.status())) {
    log::Warning("index cache discarded",
                 {{"directory", directory_}, {"error", index.status()}});
    std::error_code ignored;  // What stays behind is not trusted either.
    fs::remove(PathOf(kManifestName), ignored);
  }
  RemoveOthers(Manifest());
  return nullptr;
}

absl::StatusOr<std::shared_ptr<DatabaseIndex>> IndexCache::TryLoad() {
  ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest());
  last_save_ = manifest.save;
  RETURN_IF_ERROR(CheckFiles(manifest));
  ASSIGN_OR_RETURN(const std::string bytes,
                   ReadFile(PathOf(manifest.collections_file)));
  storage::v1::ListCollectionsResponse collections;
  if (!collections.ParseFromString(bytes)) {
    return absl::DataLossError("the collections cannot be read");
  }
  auto index = std::make_shared<DatabaseIndex>(manifest.position,
                                               manifest.feed_checksum);
  for (const storage::v1::Collection& collection : collections.collections()) {
    RETURN_IF_ERROR(index->AddCollection(collection));
  }
  for (const std::shared_ptr<Index>& empty : index->indexes()) {
    const auto stem = manifest.index_stems.find(empty->spec().generation);
    if (stem == manifest.index_stems.end()) {
      return Damaged(
          absl::StrCat("lacks generation ", empty->spec().generation));
    }
    ASSIGN_OR_RETURN(std::shared_ptr<Index> saved,
                     VectorIndex::Load(empty->spec(), PathOf(stem->second),
                                       manifest.position.sequence));
    index->SetIndex(std::move(saved));
  }
  for (const auto& [collection, name] : manifest.expiry_files) {
    ASSIGN_OR_RETURN(const std::string table, ReadFile(PathOf(name)));
    RETURN_IF_ERROR(index->ExpiriesOf(collection)->Decode(table));
  }
  RETURN_IF_ERROR(LoadAttributes(manifest, *index));
  RemoveOthers(manifest);
  return index;
}

absl::Status IndexCache::LoadAttributes(const Manifest& manifest,
                                        const DatabaseIndex& index) const {
  for (const storage::v1::Collection& collection : index.collections()) {
    const std::shared_ptr<AttributeColumns> attributes =
        index.AttributesOf(collection.name());
    if (attributes == nullptr || !attributes->schema()->holds_attributes()) {
      continue;
    }
    const auto file = manifest.attribute_files.find(collection.name());
    if (file == manifest.attribute_files.end()) {
      return Damaged(
          absl::StrCat("lacks the attributes of ", collection.name()));
    }
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(PathOf(file->second)));
    RETURN_IF_ERROR(attributes->Decode(bytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<IndexCache::Manifest> IndexCache::ReadManifest() const {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(PathOf(kManifestName)));
  return Manifest::Decode(text);
}

absl::Status IndexCache::CheckFiles(const Manifest& manifest) const {
  for (const auto& [name, wanted] : manifest.files) {
    const absl::StatusOr<FileSummary> found = Summarize(PathOf(name));
    if (!found.ok()) return absl::DataLossError(found.status().message());
    if (found->size != wanted.size || found->checksum != wanted.checksum) {
      return absl::DataLossError(
          absl::StrCat(name, " does not match its checksum"));
    }
  }
  return absl::OkStatus();
}

absl::Status IndexCache::Save(const DatabaseIndex& index) {
  if (directory_.empty()) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("create ", directory_, ": ", error.message()));
  }
  Manifest manifest;
  manifest.save = last_save_ + 1;
  manifest.position = index.position();
  manifest.feed_checksum = index.checksum();
  RETURN_IF_ERROR(WriteFiles(index, manifest));
  RETURN_IF_ERROR(ReplaceFile(PathOf(kManifestName), manifest.Encode()));
  last_save_ = manifest.save;
  RemoveOthers(manifest);
  return absl::OkStatus();
}

void IndexCache::Remove() {
  if (directory_.empty()) return;
  // What stays behind is of an epoch that nobody has: it is not trusted.
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

absl::Status IndexCache::WriteFiles(const DatabaseIndex& index,
                                    Manifest& manifest) const {
  storage::v1::ListCollectionsResponse collections;
  for (storage::v1::Collection& collection : index.collections()) {
    *collections.add_collections() = std::move(collection);
  }
  manifest.collections_file = absl::StrCat(manifest.save, "-collections");
  std::vector<std::string> paths = {PathOf(manifest.collections_file)};
  RETURN_IF_ERROR(WriteSynced(paths[0], collections.SerializeAsString()));
  for (const storage::v1::Collection& collection : collections.collections()) {
    const std::shared_ptr<ExpiryTable> expiries =
        index.ExpiriesOf(collection.name());
    if (expiries->size() == 0) continue;
    std::string table;
    expiries->Encode(table);
    const std::string name =
        absl::StrCat(manifest.save, "-", collection.name(), ".expiries");
    paths.push_back(PathOf(name));
    RETURN_IF_ERROR(WriteSynced(paths.back(), table));
    manifest.expiry_files[collection.name()] = name;
  }
  for (const storage::v1::Collection& collection : collections.collections()) {
    const std::shared_ptr<AttributeColumns> attributes =
        index.AttributesOf(collection.name());
    if (attributes == nullptr || !attributes->schema()->holds_attributes()) {
      continue;
    }
    std::string bytes;
    attributes->Encode(bytes);
    const std::string name =
        absl::StrCat(manifest.save, "-", collection.name(), ".attributes");
    paths.push_back(PathOf(name));
    RETURN_IF_ERROR(WriteSynced(paths.back(), bytes));
    manifest.attribute_files[collection.name()] = name;
  }
  for (const std::shared_ptr<Index>& part : index.indexes()) {
    const int64_t generation = part->spec().generation;
    const std::string stem = absl::StrCat(manifest.save, "-", generation);
    ASSIGN_OR_RETURN(const std::vector<std::string> written,
                     part->Save(PathOf(stem)));
    manifest.index_stems[generation] = stem;
    paths.insert(paths.end(), written.begin(), written.end());
  }
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(manifest.files[fs::path(path).filename().string()],
                     Summarize(path));
  }
  return absl::OkStatus();
}

void IndexCache::RemoveOthers(const Manifest& manifest) const {
  std::error_code ignored;  // A file too many costs space and nothing else.
  std::vector<fs::path> others;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(directory_, ignored)) {
    const std::string name = entry.path().filename();
    if (name != kManifestName && !manifest.files.contains(name)) {
      others.push_back(entry.path());
    }
  }
  for (const fs::path& other : others) fs::remove(other, ignored);
}

std::string IndexCache::PathOf(absl::string_view name) const {
  return fs::path(directory_) / std::string(name);
}

}  // namespace engram::search
