#include "services/search/index_cache.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/log/log.h"
#include "libs/status/status_macros.h"
#include "services/search/durable_file.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kManifestName = "manifest";

absl::Status Incomplete(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the manifest lacks ", what));
}

std::string NameOf(const std::string& path) {
  return fs::path(path).filename();
}

// What an index's files hold is about what it takes in memory, but for what is
// mapped from them.
int64_t SizeOf(const CacheManifest::IndexFiles& files,
               const CacheManifest& manifest) {
  int64_t bytes = 0;
  for (const std::string& name :
       {files.vector_changes, files.id_changes, files.keys, files.graph}) {
    const auto file = manifest.files.find(name);
    if (file != manifest.files.end()) bytes += file->second.size;
  }
  return bytes;
}

// What of a save is still in its files: whoever deletes the folder meanwhile
// loses only what was in it.
SavedIndex StillThere(SavedIndex saved) {
  std::error_code error;
  for (std::string* const path :
       {&saved.graph_path, &saved.vectors.base_path, &saved.ids.base_path}) {
    if (!fs::exists(*path, error)) path->clear();
  }
  return saved;
}

}  // namespace

IndexCache::IndexCache(std::string directory)
    : directory_(std::move(directory)) {}

std::shared_ptr<DatabaseIndex> IndexCache::Load() {
  return *LoadIfFits([](int64_t) { return absl::OkStatus(); });
}

absl::StatusOr<std::shared_ptr<DatabaseIndex>> IndexCache::LoadIfFits(
    FitsIntoMemory fits) {
  if (directory_.empty()) return nullptr;
  absl::Status refused;
  absl::StatusOr<std::shared_ptr<DatabaseIndex>> index =
      TryLoad([&](int64_t bytes) { return refused = fits(bytes); });
  if (index.ok()) return index;
  if (!refused.ok()) return refused;
  if (!absl::IsNotFound(index.status())) {
    log::Warning("index cache discarded",
                 {{"directory", directory_}, {"error", index.status()}});
    std::error_code ignored;  // What stays behind is not trusted either.
    fs::remove(PathOf(kManifestName), ignored);
  }
  // The numbers of saves go on, so that no file is taken for another.
  last_ = {.save = last_.save};
  saved_.clear();
  RemoveOthers(last_);
  return nullptr;
}

absl::StatusOr<std::shared_ptr<DatabaseIndex>> IndexCache::TryLoad(
    FitsIntoMemory fits) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(PathOf(kManifestName)));
  ASSIGN_OR_RETURN(const CacheManifest manifest, CacheManifest::Decode(text));
  last_ = manifest;
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
    const int64_t generation = empty->spec().generation;
    const auto files = manifest.indexes.find(generation);
    if (files == manifest.indexes.end()) {
      return Incomplete(absl::StrCat("generation ", generation));
    }
    SavedIndex& saved = saved_[generation];
    saved.vectors.base_path = PathOf(files->second.vectors);
    saved.vectors.changes_path = PathOf(files->second.vector_changes);
    saved.ids.base_path = PathOf(files->second.ids);
    saved.ids.changes_path = PathOf(files->second.id_changes);
    saved.keys_path = PathOf(files->second.keys);
    if (!files->second.graph.empty()) {
      saved.graph_path = PathOf(files->second.graph);
    }
    RETURN_IF_ERROR(
        fits(index->memory_bytes() + SizeOf(files->second, manifest)));
    ASSIGN_OR_RETURN(
        std::shared_ptr<Index> loaded,
        VectorIndex::Load(
            empty->spec(), saved, manifest.position.sequence,
            {.precision = empty->precision(), .kind = empty->kind()}));
    index->SetIndex(std::move(loaded));
  }
  for (const auto& [collection, name] : manifest.expiry_files) {
    ASSIGN_OR_RETURN(const std::string table, ReadFile(PathOf(name)));
    RETURN_IF_ERROR(index->ExpiriesOf(collection)->Decode(table));
  }
  RETURN_IF_ERROR(LoadAttributes(manifest, *index));
  RETURN_IF_ERROR(fits(index->memory_bytes()));
  RemoveOthers(manifest);
  return index;
}

absl::Status IndexCache::LoadAttributes(const CacheManifest& manifest,
                                        const DatabaseIndex& index) const {
  for (const storage::v1::Collection& collection : index.collections()) {
    const std::shared_ptr<AttributeColumns> attributes =
        index.AttributesOf(collection.name());
    if (attributes == nullptr || !attributes->schema()->holds_attributes()) {
      continue;
    }
    const auto file = manifest.attribute_files.find(collection.name());
    if (file == manifest.attribute_files.end()) {
      return Incomplete(absl::StrCat("the attributes of ", collection.name()));
    }
    ASSIGN_OR_RETURN(const std::string bytes, ReadFile(PathOf(file->second)));
    RETURN_IF_ERROR(attributes->Decode(bytes));
  }
  return absl::OkStatus();
}

absl::Status IndexCache::CheckFiles(const CacheManifest& manifest) const {
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
  CacheManifest manifest;
  manifest.save = last_.save + 1;
  manifest.position = index.position();
  manifest.feed_checksum = index.checksum();
  ASSIGN_OR_RETURN(SavedIndexes saved, WriteFiles(index, manifest));
  RETURN_IF_ERROR(ReplaceFile(PathOf(kManifestName), manifest.Encode()));
  last_ = std::move(manifest);
  saved_ = std::move(saved);
  RemoveOthers(last_);
  return absl::OkStatus();
}

bool IndexCache::LacksGraphOf(const DatabaseIndex& index) const {
  const std::vector<std::shared_ptr<Index>> indexes = index.indexes();
  return std::any_of(indexes.begin(), indexes.end(), [&](const auto& part) {
    const auto saved = saved_.find(part->spec().generation);
    return saved != saved_.end() && !part->HasGraphOf(saved->second);
  });
}

void IndexCache::Remove() {
  if (directory_.empty()) return;
  // What stays behind is of an epoch that nobody has: it is not trusted.
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

absl::StatusOr<IndexCache::SavedIndexes> IndexCache::WriteFiles(
    const DatabaseIndex& index, CacheManifest& manifest) const {
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
  SavedIndexes saved;
  for (const std::shared_ptr<Index>& part : index.indexes()) {
    const int64_t generation = part->spec().generation;
    const auto last = saved_.find(generation);
    ASSIGN_OR_RETURN(
        SavedIndex files,
        part->Save(
            PathOf(absl::StrCat(manifest.save, "-", generation)),
            last == saved_.end() ? SavedIndex() : StillThere(last->second)));
    paths.insert(paths.end(), {files.vectors.base_path,
                               files.vectors.changes_path, files.ids.base_path,
                               files.ids.changes_path, files.keys_path});
    if (!files.graph_path.empty()) paths.push_back(files.graph_path);
    manifest.indexes[generation] = {
        .vectors = NameOf(files.vectors.base_path),
        .vector_changes = NameOf(files.vectors.changes_path),
        .ids = NameOf(files.ids.base_path),
        .id_changes = NameOf(files.ids.changes_path),
        .keys = NameOf(files.keys_path),
        .graph = NameOf(files.graph_path)};
    saved[generation] = std::move(files);
  }
  for (const std::string& path : paths) {
    const std::string name = NameOf(path);
    const auto last = last_.files.find(name);
    // A file of an earlier save is a graph's, or a base, and as it was.
    if (last != last_.files.end()) {
      manifest.files[name] = last->second;
    } else {
      ASSIGN_OR_RETURN(manifest.files[name], Summarize(path));
    }
  }
  return saved;
}

void IndexCache::RemoveOthers(const CacheManifest& manifest) const {
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
