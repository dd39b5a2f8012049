#include "services/embedding/open_texts.h"

#include <numeric>
#include <utility>

#include "absl/status/status.h"

namespace engram::embedding {
namespace {

// Of a text that has had no result.
absl::Status None() { return absl::UnknownError(""); }

}  // namespace

OpenTexts::OpenTexts(const EmbedCall& call)
    : call_(call),
      results_(FailAll(call.texts.size(), None())),
      texts_(call.texts.begin(), call.texts.end()),
      places_(call.texts.size()) {
  std::iota(places_.begin(), places_.end(), 0);
}

EmbedCall OpenTexts::call() const {
  EmbedCall call = call_;
  call.texts = texts_;
  return call;
}

void OpenTexts::Take(
    std::vector<EmbedResult> results,
    absl::FunctionRef<bool(absl::string_view&, const EmbedResult&)>
        stays_open) {
  size_t open = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    const size_t place = places_[i];
    absl::string_view text = texts_[i];
    const bool is_open = stays_open(text, results[i]);
    if (results[i].ok()) {
      results[i]->truncated_bytes =
          call_.texts[place].size() - texts_[i].size();
    }
    if (!is_open || absl::IsUnknown(results_[place].status())) {
      results_[place] = std::move(results[i]);
    }
    if (!is_open) continue;
    texts_[open] = text;
    places_[open] = place;
    ++open;
  }
  texts_.resize(open);
  places_.resize(open);
}

}  // namespace engram::embedding
