#include "libs/vector/checksum.h"

#include <bit>
#include <cstring>

namespace engram::vector {
namespace {

// Words are read as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// The constants and steps are those of the XXH64 specification:
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4F;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5;

template <typename Word>
Word Read(const char* data) {
  Word word;
  std::memcpy(&word, data, sizeof(word));
  return word;
}

uint64_t Round(uint64_t lane, uint64_t word) {
  return std::rotl(lane + word * kPrime2, 31) * kPrime1;
}

// Consumes whole stripes of 32 bytes from the front of `rest`.
uint64_t ConsumeStripes(absl::string_view& rest) {
  uint64_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  for (; rest.size() >= 32; rest.remove_prefix(32)) {
    for (int i = 0; i < 4; ++i) {
      lanes[i] = Round(lanes[i], Read<uint64_t>(rest.data() + 8 * i));
    }
  }
  uint64_t hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) +
                  std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  for (const uint64_t lane : lanes) {
    hash = (hash ^ Round(0, lane)) * kPrime1 + kPrime4;
  }
  return hash;
}

}  // namespace

uint64_t Checksum(absl::string_view bytes) {
  absl::string_view rest = bytes;
  uint64_t hash = rest.size() >= 32 ? ConsumeStripes(rest) : kPrime5;
  hash += bytes.size();
  for (; rest.size() >= 8; rest.remove_prefix(8)) {
    hash ^= Round(0, Read<uint64_t>(rest.data()));
    hash = std::rotl(hash, 27) * kPrime1 + kPrime4;
  }
  if (rest.size() >= 4) {
    hash ^= Read<uint32_t>(rest.data()) * kPrime1;
    hash = std::rotl(hash, 23) * kPrime2 + kPrime3;
    rest.remove_prefix(4);
  }
  for (const char byte : rest) {
    hash ^= static_cast<unsigned char>(byte) * kPrime5;
    hash = std::rotl(hash, 11) * kPrime1;
  }
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

uint64_t VectorChecksum(absl::Span<const float> values) {
  return Checksum(
      absl::string_view(reinterpret_cast<const char*>(values.data()),
                        values.size() * sizeof(float)));
}

}  // namespace engram::vector
