#include "libs/sqlite/testing/unsynced_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace engram::testing {
namespace {

std::string ReadFile(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// A number from 0 to `last`.
size_t Draw(std::mt19937_64& random, size_t last) {
  return std::uniform_int_distribution<size_t>(0, last)(random);
}

}  // namespace

void UnsyncedFiles::Open(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto [file, is_new] = files_.try_emplace(path);
  if (is_new) {
    file->second.synced = ReadFile(path);
  } else if (file->second.is_deleted) {
    // A new file of the old name; that the old one comes back instead is left
    // out too.
    file->second = {};
  }
}

void UnsyncedFiles::Write(const std::string& path, size_t offset,
                          absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  files_[path].unsynced.push_back(
      {.offset = offset, .bytes = std::string(bytes)});
}

void UnsyncedFiles::Truncate(const std::string& path, size_t size) {
  absl::MutexLock lock(&mutex_);
  files_[path].unsynced.push_back({.is_truncate = true, .offset = size});
}

void UnsyncedFiles::Sync(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  File& file = files_[path];
  for (const Change& change : file.unsynced) Apply(change, file.synced);
  file.unsynced.clear();
}

void UnsyncedFiles::Delete(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto file = files_.find(path);
  if (file != files_.end()) file->second.is_deleted = true;
}

void UnsyncedFiles::SyncDirectoryOf(const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path();
  absl::MutexLock lock(&mutex_);
  for (auto file = files_.begin(); file != files_.end();) {
    const bool is_gone =
        file->second.is_deleted &&
        std::filesystem::path(file->first).parent_path() == directory;
    file = is_gone ? files_.erase(file) : std::next(file);
  }
}

void UnsyncedFiles::LosePower(std::mt19937_64& random) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [path, file] : files_) {
    if (file.is_deleted && Draw(random, 1) == 0) {
      std::filesystem::remove(path);
      continue;
    }
    const std::string content = Survivor(file, random);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
  files_.clear();
}

void UnsyncedFiles::Apply(const Change& change, std::string& content) {
  if (change.is_truncate) {
    content.resize(change.offset);
    return;
  }
  content.resize(std::max(content.size(), change.offset + change.bytes.size()));
  content.replace(change.offset, change.bytes.size(), change.bytes);
}

std::string UnsyncedFiles::Survivor(const File& file, std::mt19937_64& random) {
  // A disk that lost nothing or everything is as likely as it is dull.
  switch (Draw(random, 3)) {
    case 0:
      return file.synced;
    case 1: {
      std::string content = file.synced;
      const size_t kept = Draw(random, file.unsynced.size());
      for (size_t i = 0; i < kept; ++i) Apply(file.unsynced[i], content);
      return content;
    }
    default:
      return Scramble(file, random);
  }
}

std::string UnsyncedFiles::Scramble(const File& file, std::mt19937_64& random) {
  // For each sector, and for the size, up to which change it got to the disk.
  std::map<size_t, size_t> moments;
  const size_t changes = file.unsynced.size();
  const size_t size_moment = Draw(random, changes);
  std::string content = file.synced;
  size_t size = content.size();
  for (size_t i = 0; i < changes; ++i) {
    const Change& change = file.unsynced[i];
    const size_t end = change.is_truncate ? content.size()
                                          : change.offset + change.bytes.size();
    content.resize(std::max(content.size(), end));
    for (size_t at = change.offset; at < end;) {
      const size_t sector = at / kSectorBytes;
      const size_t next = std::min(end, (sector + 1) * kSectorBytes);
      const auto moment = moments.try_emplace(sector, Draw(random, changes));
      if (i < moment.first->second) {
        // Truncated bytes that come back by a later write read as zeros.
        content.replace(
            at, next - at,
            change.is_truncate
                ? std::string(next - at, '\0')
                : change.bytes.substr(at - change.offset, next - at));
      }
      at = next;
    }
    if (i < size_moment) {
      size = change.is_truncate ? change.offset : std::max(size, end);
    }
  }
  content.resize(size);
  return content;
}

}  // namespace engram::testing
