#ifndef ENGRAM_SERVICES_SEARCH_SLOT_VECTORS_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_VECTORS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/search/mapped_bytes.h"

namespace engram::search {

// Vectors of one dimension, back to back, mapped once they have been saved.
//
// A vector's number, its slot, is its place; removing one moves the last one
// there. Not thread-safe, except that const methods may run beside each other.
class SlotVectors {
 public:
  explicit SlotVectors(int dimensions)
      : width_(static_cast<size_t>(dimensions) * sizeof(float)) {}

  // See MappedBytes.
  static absl::StatusOr<SlotVectors> Load(SavedBytes& saved, int dimensions) {
    SlotVectors vectors(dimensions);
    auto bytes = MappedBytes::Load(saved, vectors.width_);
    if (!bytes.ok()) return bytes.status();
    vectors.bytes_ = *std::move(bytes);
    return vectors;
  }
  absl::StatusOr<SavedBytes> Save(const std::string& path, bool anew,
                                  const SavedBytes& earlier) const {
    return bytes_.Save(path, width_, anew, earlier);
  }
  const MappedBytes& bytes() const { return bytes_; }

  int64_t size() const { return static_cast<int64_t>(bytes_.size() / width_); }
  // `size()` times the dimensions floats; good until the next change.
  const float* data() const {
    return reinterpret_cast<const float*>(bytes_.data());
  }

  // `packed` has four times the dimensions bytes, and is not of this object.
  void Append(absl::string_view packed) { bytes_.Append(packed); }
  void Replace(int64_t slot, absl::string_view packed) {
    bytes_.Write(slot * width_, packed);
  }
  void Swap(int64_t one, int64_t other) {
    const std::string kept(BytesOf(one));
    bytes_.Write(one * width_, BytesOf(other));
    bytes_.Write(other * width_, kept);
  }
  // Moves the last vector into `slot` and drops the last slot.
  void Remove(int64_t slot) {
    const int64_t last = size() - 1;
    if (slot != last) bytes_.Write(slot * width_, BytesOf(last));
    bytes_.Truncate(last * width_);
  }

 private:
  absl::string_view BytesOf(int64_t slot) const {
    return absl::string_view(bytes_.data() + slot * width_, width_);
  }

  size_t width_;
  MappedBytes bytes_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_VECTORS_H_
