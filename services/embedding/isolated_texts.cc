#include "services/embedding/isolated_texts.h"

#include <utility>

namespace engram::embedding {
namespace {

// Any model embeds it, for next to nothing.
constexpr absl::string_view kProbe = "engram";

// Whether a text may be the reason of an error that is not said to be about
// texts: one that the provider, or a proxy before it, stumbles over.
bool MayBeOfText(const absl::Status& status) {
  return absl::IsInternal(status) || absl::IsUnavailable(status) ||
         absl::IsDeadlineExceeded(status);
}

class Isolator {
 public:
  explicit Isolator(Provider& provider) : provider_(provider) {}

  void Embed(absl::Span<const absl::string_view> texts) {
    if (!result_.provider.ok()) return FailAll(texts.size(), result_.provider);
    auto embedded = Call(texts);
    if (embedded.ok()) {
      for (EmbeddedText& text : *embedded) {
        result_.texts.push_back(std::move(text));
      }
      return;
    }
    const absl::Status& status = embedded.status();
    if (!absl::IsInvalidArgument(status) && !Works(status)) {
      result_.provider = status;
      return FailAll(texts.size(), status);
    }
    if (texts.size() == 1) return FailAll(1, status);
    const size_t half = texts.size() / 2;
    Embed(texts.first(half));
    Embed(texts.subspan(half));
  }

  IsolatedTexts TakeResult() { return std::move(result_); }

 private:
  absl::StatusOr<std::vector<EmbeddedText>> Call(
      absl::Span<const absl::string_view> texts) {
    ++result_.requests;
    return provider_.Embed(texts, Purpose::kDocument);
  }

  // Whether the provider, which failed so, embeds something else.
  bool Works(const absl::Status& failure) {
    return MayBeOfText(failure) && Call({kProbe}).ok();
  }

  void FailAll(size_t count, const absl::Status& status) {
    for (size_t i = 0; i < count; ++i) result_.texts.push_back(status);
  }

  Provider& provider_;
  IsolatedTexts result_;
};

}  // namespace

IsolatedTexts EmbedIsolated(Provider& provider,
                            absl::Span<const absl::string_view> texts) {
  Isolator isolator(provider);
  if (!texts.empty()) isolator.Embed(texts);
  return isolator.TakeResult();
}

}  // namespace engram::embedding
