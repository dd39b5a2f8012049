#include "services/embedding/call_size.h"

namespace engram::embedding {
namespace {

constexpr int64_t kBytesPerToken = 2;
// Begin and end of a text, for models that mark them.
constexpr int64_t kTokensAroundText = 2;
// What stands around a text in a request: quotes and names of fields, and a
// prefix of the model's.
constexpr int64_t kBytesAroundText = 192;

// As a JSON string.
int64_t CountBytes(absl::string_view text) {
  auto bytes = static_cast<int64_t>(text.size()) + kBytesAroundText;
  for (const char c : text) {
    if (c == '"' || c == '\\') bytes += 1;
    if (static_cast<unsigned char>(c) < 0x20) bytes += 5;
  }
  return bytes;
}

bool IsWithin(int64_t value, int64_t limit) {
  return limit == 0 || value <= limit;
}

bool IsReached(int64_t value, int64_t limit) {
  return limit != 0 && value >= limit;
}

}  // namespace

CallSize& CallSize::operator+=(const CallSize& other) {
  texts += other.texts;
  tokens += other.tokens;
  bytes += other.bytes;
  return *this;
}

CallSize& CallSize::operator-=(const CallSize& other) {
  texts -= other.texts;
  tokens -= other.tokens;
  bytes -= other.bytes;
  return *this;
}

bool CallSize::Fits(const CallLimits& limits) const {
  return IsWithin(texts, limits.texts) && IsWithin(tokens, limits.tokens) &&
         IsWithin(bytes, limits.bytes);
}

bool CallSize::Fills(const CallLimits& limits) const {
  return IsReached(texts, limits.texts) || IsReached(tokens, limits.tokens) ||
         IsReached(bytes, limits.bytes);
}

CallSize SizeOf(absl::string_view text, const CallLimits& limits) {
  const auto bytes = static_cast<int64_t>(text.size());
  return {.texts = 1,
          .tokens =
              (bytes + kBytesPerToken - 1) / kBytesPerToken + kTokensAroundText,
          .bytes = limits.bytes > 0 ? CountBytes(text) : bytes};
}

}  // namespace engram::embedding
