#include "libs/wire/wire.h"

#include <cstring>

namespace engram::wire {
namespace {

constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
constexpr int64_t kNanosecondsPerMicrosecond = 1'000;
// The fields of google.protobuf.Timestamp.
constexpr int kSecondsNumber = 1;
constexpr int kNanosNumber = 2;

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

}  // namespace

void AppendDouble(int field, double value, std::string* out) {
  uint64_t bits = 0;
  static_assert(sizeof(bits) == sizeof(value));
  std::memcpy(&bits, &value, sizeof(bits));
  AppendTag(field, Type::kFixed64, out);
  for (int i = 0; i < 8; ++i) {  // Little-endian, whatever we run on.
    out->push_back(static_cast<char>(bits >> (8 * i)));
  }
}

void AppendTimestamp(int field, int64_t microseconds, std::string* out) {
  // Nanos count forward from the second at or before.
  int64_t seconds = microseconds / kMicrosecondsPerSecond;
  int64_t rest = microseconds % kMicrosecondsPerSecond;
  if (rest < 0) {
    rest += kMicrosecondsPerSecond;
    --seconds;
  }
  const int64_t nanos = rest * kNanosecondsPerMicrosecond;
  const auto size = [](int64_t value) {
    return value == 0 ? 0 : 1 + VarintSize(static_cast<uint64_t>(value));
  };
  AppendHead(field, size(seconds) + size(nanos), out);
  if (seconds != 0) AppendInteger(kSecondsNumber, seconds, out);
  if (nanos != 0) AppendInteger(kNanosNumber, nanos, out);
}

size_t FieldSize(size_t size) { return 1 + VarintSize(size) + size; }

}  // namespace engram::wire
