#include "services/embedding/splitting_provider.h"

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

constexpr int64_t kBytesPerToken = 2;
// Begin and end of a text, for models that mark them.
constexpr int64_t kTokensAroundText = 2;
// What stands around a text in a request: quotes and names of fields, and a
// prefix of the model's.
constexpr int64_t kBytesAroundText = 192;

int64_t GuessTokens(absl::string_view text) {
  const auto bytes = static_cast<int64_t>(text.size());
  return (bytes + kBytesPerToken - 1) / kBytesPerToken + kTokensAroundText;
}

// As a JSON string.
int64_t CountBytes(absl::string_view text) {
  auto bytes = static_cast<int64_t>(text.size()) + kBytesAroundText;
  for (const char c : text) {
    if (c == '"' || c == '\\') bytes += 1;
    if (static_cast<unsigned char>(c) < 0x20) bytes += 5;
  }
  return bytes;
}

// Returns `path`, such as `texts[3]`, for a text that is `offset` places on.
std::string MovePath(absl::string_view path, size_t offset) {
  absl::string_view number = path;
  size_t place = 0;
  if (absl::ConsumePrefix(&number, "texts[") &&
      absl::ConsumeSuffix(&number, "]") && absl::SimpleAtoi(number, &place)) {
    return absl::StrCat("texts[", place + offset, "]");
  }
  return std::string(path);
}

}  // namespace

SplittingProvider::SplittingProvider(std::unique_ptr<Provider> provider)
    : provider_(std::move(provider)), limits_(provider_->limits()) {}

size_t SplittingProvider::CountFitting(
    absl::Span<const absl::string_view> texts) const {
  int64_t tokens = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (limits_.tokens > 0) tokens += GuessTokens(texts[i]);
    if (limits_.bytes > 0) bytes += CountBytes(texts[i]);
    const bool fits =
        (limits_.texts == 0 || i < static_cast<size_t>(limits_.texts)) &&
        (limits_.tokens == 0 || tokens <= limits_.tokens) &&
        (limits_.bytes == 0 || bytes <= limits_.bytes);
    if (!fits && i > 0) return i;
  }
  return texts.size();
}

absl::StatusOr<std::vector<EmbeddedText>> SplittingProvider::Embed(
    absl::Span<const absl::string_view> texts, Purpose purpose) {
  size_t done = CountFitting(texts);
  auto embedded = provider_->Embed(texts.first(done), purpose);
  while (embedded.ok() && done < texts.size()) {
    const auto rest = texts.subspan(done);
    const size_t count = CountFitting(rest);
    auto part = provider_->Embed(rest.first(count), purpose);
    if (!part.ok()) {
      return MapFieldPaths(part.status(), [&](absl::string_view path) {
        return MovePath(path, done);
      });
    }
    embedded->insert(embedded->end(), std::make_move_iterator(part->begin()),
                     std::make_move_iterator(part->end()));
    done += count;
  }
  return embedded;
}

}  // namespace engram::embedding
