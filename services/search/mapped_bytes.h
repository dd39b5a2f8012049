#ifndef ENGRAM_SERVICES_SEARCH_MAPPED_BYTES_H_
#define ENGRAM_SERVICES_SEARCH_MAPPED_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/search/saved_bytes.h"
#include "services/search/slot_set.h"

namespace engram::search {

// Bytes back to back, at addresses that only Append may change.
//
// They are in memory of this process until they have been saved: then they are
// mapped from the file that has them, their base, and take memory only while
// the kernel has some to spare. A page that is written to since, and what is
// appended, is in memory of this process again, until the next base has it.
//
// A base is never changed in place: it is written under another name, renamed,
// and unlinked in the end, which leaves the pages of who has mapped it. So none
// can be cut off behind a mapping, which would end the process.
//
// Not thread-safe, except that const methods may run beside each other.
class MappedBytes {
 public:
  // What changes are told apart by.
  static constexpr size_t kPageBytes = 4096;

  MappedBytes() = default;
  MappedBytes(MappedBytes&& other) noexcept { Swap(other); }
  MappedBytes& operator=(MappedBytes&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~MappedBytes();

  // Maps what Save wrote as items of `width` bytes; tells in `saved` which base
  // that is. `DataLoss` for anything else; memory is taken by how long the
  // files are, not by what they say.
  static absl::StatusOr<MappedBytes> Load(SavedBytes& saved, uint64_t width);

  // Writes and syncs what is not in the base of `earlier`, or, if that is
  // another one, if much is different, or if `anew` says so, a new base. Paths
  // begin with `path`. A failure may leave files behind. Where `base` of the
  // result is not set, a new base was written: Load maps it.
  absl::StatusOr<SavedBytes> Save(const std::string& path, uint64_t width,
                                  bool anew, const SavedBytes& earlier) const;

  const char* data() const { return data_; }
  size_t size() const { return size_; }

  // `bytes` must not be of this object.
  void Append(absl::string_view bytes);
  // Overwrites what is there.
  void Write(size_t offset, absl::string_view bytes);
  // Drops what is behind the first `size` bytes.
  void Truncate(size_t size);

  // What this process holds, and what is read from the base.
  size_t memory_bytes() const;
  size_t mapped_bytes() const;

 private:
  absl::Status Map(const std::string& path, uint64_t width);
  absl::Status ApplyChanges(absl::string_view bytes);
  absl::Status WriteBase(const std::string& path, uint64_t width) const;
  absl::Status WriteChanges(const std::string& path) const;
  // Bytes that are different from the base.
  size_t ChangedBytes() const;
  // Notes which pages of the base are written to.
  void MarkChanged(size_t offset, size_t size);
  // Makes room for `bytes` in all; what is there may move.
  void Reserve(size_t bytes);
  void Swap(MappedBytes& other) noexcept;

  char* data_ = nullptr;
  size_t size_ = 0;
  // Address space, of which the first `mapped_` bytes are the base's, whole
  // pages, and the rest takes memory once it is written to.
  size_t capacity_ = 0;
  size_t mapped_ = 0;
  // How much of it was ever written to, and is not given back.
  size_t touched_ = 0;
  // Of the base, as its file says.
  size_t base_bytes_ = 0;
  // The pages of the base that were written to since.
  SlotSet changed_;
  std::shared_ptr<const char> base_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_MAPPED_BYTES_H_
