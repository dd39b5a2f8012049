#ifndef ENGRAM_TESTS_FUZZ_CHOICES_H_
#define ENGRAM_TESTS_FUZZ_CHOICES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace engram::fuzz {

// Takes choices off the front of the bytes; zeros when they run out.
class Choices {
 public:
  Choices(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }

  int Below(int bound) {
    if (rest_.empty()) return 0;
    const int byte = rest_.front();
    rest_.remove_prefix(1);
    return byte % bound;
  }
  bool OneIn(int n) { return Below(n) == n - 1; }

  template <typename T, size_t kSize>
  T Of(const T (&pool)[kSize]) {
    return pool[Below(kSize)];
  }

  // Raw bytes; at most 15.
  std::string Bytes() {
    const size_t wanted = Below(16);
    const size_t size = std::min(wanted, rest_.size());
    const std::string bytes(rest_.begin(), rest_.begin() + size);
    rest_.remove_prefix(size);
    return bytes;
  }

  // The same as the characters of these numbers: protobuf itself refuses
  // strings that are no UTF-8.
  std::string Characters() {
    std::string text;
    for (const char byte : Bytes()) {
      const auto number = static_cast<unsigned char>(byte);
      if (number < 0x80) {
        text.push_back(byte);
      } else {
        text.push_back(static_cast<char>(0xc0 | number >> 6));
        text.push_back(static_cast<char>(0x80 | (number & 0x3f)));
      }
    }
    return text;
  }

 private:
  absl::Span<const uint8_t> rest_;
};

}  // namespace engram::fuzz

#endif  // ENGRAM_TESTS_FUZZ_CHOICES_H_
