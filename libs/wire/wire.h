// Writes messages as they lie on the wire, field by field, where to fill in a
// message object first would take longer than all the rest.
// https://protobuf.dev/programming-guides/encoding has the format.

#ifndef ENGRAM_LIBS_WIRE_WIRE_H_
#define ENGRAM_LIBS_WIRE_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace engram::wire {

// How a value lies on the wire; the two that made groups are no more.
enum class Type : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kFixed32 = 5,
};

inline constexpr uint32_t kTypeBits = 3;

inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) {
    out->push_back(static_cast<char>(value | 0x80));
  }
  out->push_back(static_cast<char>(value));
}

inline void AppendTag(int field, Type type, std::string* out) {
  AppendVarint(
      static_cast<uint64_t>(field) << kTypeBits | static_cast<uint32_t>(type),
      out);
}

// An int64, uint64 or bool.
inline void AppendInteger(int field, int64_t value, std::string* out) {
  AppendTag(field, Type::kVarint, out);
  AppendVarint(static_cast<uint64_t>(value), out);
}

void AppendDouble(int field, double value, std::string* out);

// Of a string, bytes or message of `size` bytes, which must follow.
inline void AppendHead(int field, size_t size, std::string* out) {
  AppendTag(field, Type::kBytes, out);
  AppendVarint(size, out);
}

inline void AppendBytes(int field, absl::string_view value, std::string* out) {
  AppendHead(field, value.size(), out);
  out->append(value.data(), value.size());
}

// A google.protobuf.Timestamp; `microseconds` since 1970 UTC.
void AppendTimestamp(int field, int64_t microseconds, std::string* out);

// The bytes that a string, bytes or message of `size` bytes takes as a field
// with a number of up to 15.
size_t FieldSize(size_t size);

}  // namespace engram::wire

#endif  // ENGRAM_LIBS_WIRE_WIRE_H_
