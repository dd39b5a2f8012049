// Numbers in the files of the index cache: little-endian, as this machine's
// are.

#ifndef ENGRAM_SERVICES_SEARCH_BYTES_H_
#define ENGRAM_SERVICES_SEARCH_BYTES_H_

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

namespace engram::search {

template <typename Number>
void AppendNumber(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// Takes values off the front of bytes; false when they run out.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  template <typename Number>
  bool Read(Number& number) {
    if (rest_.size() < sizeof(number)) return false;
    std::memcpy(&number, rest_.data(), sizeof(number));
    rest_.remove_prefix(sizeof(number));
    return true;
  }

  bool Read(size_t size, absl::string_view& bytes) {
    if (rest_.size() < size) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  size_t left() const { return rest_.size(); }

 private:
  absl::string_view rest_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_BYTES_H_
