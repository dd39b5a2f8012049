#include "services/search/mapped_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/search/bytes.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

// Stored: the layouts of both files, see docs/design/index_cache.md. Another
// layout is another word.
constexpr absl::string_view kBaseMagic = "engrbas1";
constexpr absl::string_view kChangesMagic = "engrchg1";

// Where a base's bytes begin: at a page, of whatever size pages are.
constexpr size_t kHeaderBytes = 64 << 10;

// A new base pays once a fifth is different, which is in memory and in every
// save; but so few bytes cost less than it.
constexpr size_t kChangedShare = 5;
constexpr size_t kFewBytes = 64 << 10;

// Memory behind the last byte that is given back at once.
constexpr size_t kSpareBytes = 4 << 20;

size_t RoundUp(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

size_t SystemPageBytes() {
  static const auto bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("base file: ", what));
}

absl::Status BrokenChanges(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("changes file: ", what));
}

// Addresses for so many bytes, which take no memory until they are written to.
char* MapAnonymous(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

// Moves pages to other addresses, `to` and what is behind it.
void MovePages(char* from, size_t bytes, size_t new_bytes, char* to) {
  if (mremap(from, bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
      MAP_FAILED) {
    throw std::bad_alloc();
  }
}

absl::Status IoError(absl::string_view action, const std::string& path) {
  return absl::ErrnoToStatus(errno == 0 ? EIO : errno,
                             absl::StrCat(action, " ", path));
}

// Reads the header of a base that is `file_bytes` long; how many bytes follow.
absl::StatusOr<size_t> ReadHeader(int descriptor, const std::string& path,
                                  size_t file_bytes, uint64_t width) {
  if (file_bytes < kHeaderBytes) return Broken("ends within its header");
  char header[kBaseMagic.size() + 2 * sizeof(uint64_t)];
  errno = 0;
  if (pread(descriptor, header, sizeof(header), 0) != sizeof(header)) {
    return IoError("read", path);
  }
  ByteReader reader(absl::string_view(header, sizeof(header)));
  absl::string_view magic;
  uint64_t found_width = 0, items = 0;
  reader.Read(kBaseMagic.size(), magic);
  reader.Read(found_width);
  reader.Read(items);
  if (magic != kBaseMagic) return Broken("is of another format");
  const size_t bytes = file_bytes - kHeaderBytes;
  if (found_width != width || bytes % width != 0 || bytes / width != items) {
    return Broken(
        absl::StrCat(bytes, " bytes are not ", items, " items of ", width));
  }
  return bytes;
}

}  // namespace

MappedBytes::~MappedBytes() {
  if (data_ != nullptr) munmap(data_, capacity_);
}

void MappedBytes::Swap(MappedBytes& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(mapped_, other.mapped_);
  std::swap(touched_, other.touched_);
  std::swap(base_bytes_, other.base_bytes_);
  std::swap(changed_, other.changed_);
  std::swap(base_, other.base_);
}

void MappedBytes::Reserve(size_t bytes) {
  if (bytes <= capacity_) return;
  const size_t capacity =
      RoundUp(std::max(bytes, 2 * capacity_), SystemPageBytes());
  char* const data = MapAnonymous(capacity);
  if (data_ != nullptr) {
    // Each of both moves as it is: what is in memory is not copied, and what
    // is mapped stays mapped.
    if (mapped_ > 0) MovePages(data_, mapped_, mapped_, data);
    MovePages(data_ + mapped_, capacity_ - mapped_, capacity - mapped_,
              data + mapped_);
  }
  data_ = data;
  capacity_ = capacity;
}

void MappedBytes::MarkChanged(size_t offset, size_t size) {
  const size_t end = std::min(offset + size, mapped_);
  for (size_t page = offset / kPageBytes; page * kPageBytes < end; ++page) {
    changed_.Add(static_cast<uint32_t>(page));
  }
}

void MappedBytes::Append(absl::string_view bytes) {
  if (bytes.empty()) return;
  Reserve(size_ + bytes.size());
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  MarkChanged(size_, bytes.size());
  size_ += bytes.size();
  touched_ = std::max(touched_, size_);
}

void MappedBytes::Write(size_t offset, absl::string_view bytes) {
  std::memmove(data_ + offset, bytes.data(), bytes.size());
  MarkChanged(offset, bytes.size());
}

void MappedBytes::Truncate(size_t size) {
  size_ = size;
  const size_t kept = RoundUp(std::max(size_, mapped_), SystemPageBytes());
  if (touched_ <= kept + kSpareBytes) return;
  madvise(data_ + kept, RoundUp(touched_ - kept, SystemPageBytes()),
          MADV_DONTNEED);
  touched_ = kept;
}

size_t MappedBytes::ChangedBytes() const {
  return static_cast<size_t>(changed_.Count()) * kPageBytes +
         (touched_ > mapped_ ? touched_ - mapped_ : 0);
}

size_t MappedBytes::memory_bytes() const {
  return ChangedBytes() + static_cast<size_t>(changed_.memory_bytes());
}

size_t MappedBytes::mapped_bytes() const {
  return mapped_ - static_cast<size_t>(changed_.Count()) * kPageBytes;
}

// --- Files.

absl::StatusOr<SavedBytes> MappedBytes::Save(const std::string& path,
                                             uint64_t width, bool anew,
                                             const SavedBytes& earlier) const {
  SavedBytes saved;
  saved.changes_path = absl::StrCat(path, ".changes");
  const bool has_base = base_ != nullptr && earlier.base.lock() == base_ &&
                        !earlier.base_path.empty();
  const size_t changed = ChangedBytes();
  const bool are_few = changed <= kFewBytes || changed * kChangedShare <= size_;
  if (has_base && !anew && are_few) {
    saved.base_path = earlier.base_path;
    saved.base = base_;
    RETURN_IF_ERROR(WriteChanges(saved.changes_path));
    return saved;
  }
  saved.base_path = path;
  RETURN_IF_ERROR(WriteBase(path, width));
  // As it is once it is mapped: nothing is different.
  MappedBytes same;
  same.size_ = same.base_bytes_ = size_;
  same.mapped_ = RoundUp(size_, SystemPageBytes());
  RETURN_IF_ERROR(same.WriteChanges(saved.changes_path));
  return saved;
}

absl::Status MappedBytes::WriteBase(const std::string& path,
                                    uint64_t width) const {
  std::string header(kBaseMagic);
  AppendNumber<uint64_t>(header, width);
  AppendNumber<uint64_t>(header, size_ / width);
  header.resize(kHeaderBytes);
  return ReplaceFile(path, [&](std::FILE* file) -> absl::Status {
    RETURN_IF_ERROR(WriteBytes(header, path, file));
    return WriteBytes(absl::string_view(data_, size_), path, file);
  });
}

// The magic word; how many bytes the base has, how many there are, how many
// pages follow; the number of each, ascending; the bytes of each; and those
// behind the base's last page.
absl::Status MappedBytes::WriteChanges(const std::string& path) const {
  const size_t in_base = std::min(size_, mapped_);
  std::string pages;
  uint64_t count = 0;
  const auto visit = [&](auto use) {
    changed_.ForEach([&](uint32_t page) {
      if (page * kPageBytes >= in_base) return false;
      use(page);
      return true;
    });
  };
  visit([&](uint32_t page) {
    AppendNumber<uint64_t>(pages, page);
    ++count;
  });
  std::string header(kChangesMagic);
  AppendNumber<uint64_t>(header, base_bytes_);
  AppendNumber<uint64_t>(header, size_);
  AppendNumber<uint64_t>(header, count);
  return WriteSynced(path, [&](std::FILE* file) -> absl::Status {
    RETURN_IF_ERROR(WriteBytes(header, path, file));
    RETURN_IF_ERROR(WriteBytes(pages, path, file));
    absl::Status written;
    visit([&](uint32_t page) {
      const size_t offset = page * kPageBytes;
      written.Update(
          WriteBytes(absl::string_view(data_ + offset,
                                       std::min(kPageBytes, in_base - offset)),
                     path, file));
    });
    RETURN_IF_ERROR(written);
    // Without bytes there is nowhere that they could be.
    if (in_base == size_) return absl::OkStatus();
    return WriteBytes(absl::string_view(data_ + in_base, size_ - in_base), path,
                      file);
  });
}

absl::StatusOr<MappedBytes> MappedBytes::Load(SavedBytes& saved,
                                              uint64_t width) {
  MappedBytes bytes;
  RETURN_IF_ERROR(bytes.Map(saved.base_path, width));
  RETURN_IF_ERROR(WithFile(saved.changes_path, [&](absl::string_view changes) {
    return bytes.ApplyChanges(changes);
  }));
  if (bytes.size_ % width != 0) return BrokenChanges("ends within an item");
  saved.base = bytes.base_;
  return bytes;
}

absl::Status MappedBytes::Map(const std::string& path, uint64_t width) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return IoError("open", path);
  const absl::Cleanup close_it = [&] { close(descriptor); };
  struct stat info;
  if (fstat(descriptor, &info) != 0) return IoError("inspect", path);
  ASSIGN_OR_RETURN(size_, ReadHeader(descriptor, path,
                                     static_cast<size_t>(info.st_size), width));
  base_bytes_ = size_;
  base_ = std::make_shared<const char>();
  if (size_ == 0) return absl::OkStatus();
  mapped_ = RoundUp(size_, SystemPageBytes());
  const size_t bytes = mapped_;
  mapped_ = 0;  // Until it is.
  Reserve(2 * bytes);
  // All pages at once, while nobody waits for them. To write to them would
  // mean to copy them, so that comes after.
  if (mmap(data_, bytes, PROT_READ,
           MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_POPULATE, descriptor,
           kHeaderBytes) == MAP_FAILED ||
      mprotect(data_, bytes, PROT_READ | PROT_WRITE) != 0) {
    return IoError("map", path);
  }
  mapped_ = bytes;
  touched_ = bytes;
  return absl::OkStatus();
}

absl::Status MappedBytes::ApplyChanges(absl::string_view bytes) {
  ByteReader reader(bytes);
  absl::string_view magic;
  uint64_t base_bytes = 0, size = 0, count = 0;
  if (!reader.Read(kChangesMagic.size(), magic) || magic != kChangesMagic) {
    return BrokenChanges("is of another format");
  }
  if (!reader.Read(base_bytes) || !reader.Read(size) || !reader.Read(count)) {
    return BrokenChanges("ends within its header");
  }
  if (base_bytes != base_bytes_) return BrokenChanges("is of another base");
  // Checked against what is left before memory is taken for it.
  if (count > reader.left() / sizeof(uint64_t)) {
    return BrokenChanges(absl::StrCat(count, " pages"));
  }
  const size_t in_base = std::min<uint64_t>(size, mapped_);
  // What of the last page the base does not have is zero, and not told of
  // unless it was written to.
  absl::string_view pages;
  reader.Read(count * sizeof(uint64_t), pages);
  ByteReader numbers(pages);
  uint64_t next = 0;
  for (; count > 0; --count) {
    uint64_t page = 0;
    absl::string_view content;
    numbers.Read(page);
    if (page < next || page >= RoundUp(in_base, kPageBytes) / kPageBytes ||
        !reader.Read(std::min(kPageBytes, in_base - page * kPageBytes),
                     content)) {
      return BrokenChanges(absl::StrCat("page ", page));
    }
    Write(page * kPageBytes, content);
    next = page + 1;
  }
  if (reader.left() != size - in_base) {
    return BrokenChanges(absl::StrCat(reader.left(), " bytes behind the base"));
  }
  absl::string_view rest;
  reader.Read(reader.left(), rest);
  size_ = in_base;
  Append(rest);
  return absl::OkStatus();
}

}  // namespace engram::search
