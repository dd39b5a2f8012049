#ifndef ENGRAM_SERVICES_STORAGE_CONTENT_HASH_H_
#define ENGRAM_SERVICES_STORAGE_CONTENT_HASH_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace engram::storage {

// SHA-256.
class ContentHash {
 public:
  static ContentHash Of(absl::string_view bytes);

  absl::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  // The first 8 bytes as a little-endian number.
  uint64_t Prefix() const;

 private:
  std::array<unsigned char, 32> bytes_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CONTENT_HASH_H_
