#include "services/embedding/providers/builtin_provider.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::embedding {
namespace {

Model Describe(const StaticModel& model) {
  // Stored in databases, with the fingerprint. Never change the form.
  const std::string name =
      absl::StrCat("builtin/static-minilm-", model.dimensions());
  return {.name = name,
          .fingerprint = absl::StrCat(name, "@", model.revision()),
          .dimensions = model.dimensions(),
          .normalized = true,
          .max_tokens = model.max_tokens(),
          .provider = "builtin"};
}

}  // namespace

BuiltinProvider::BuiltinProvider(std::unique_ptr<StaticModel> static_model)
    : static_model_(std::move(static_model)),
      model_(Describe(*static_model_)) {}

int BuiltinProvider::CountTokens(absl::string_view text) const {
  // Called for each word of a text.
  thread_local std::vector<int32_t> ids;
  static_model_->tokenizer().Tokenize(text, 0, ids);
  return static_cast<int>(ids.size());
}

void BuiltinProvider::Start(const EmbedCall& call, EmbedDone done) {
  StaticModel::Scratch scratch;
  std::vector<EmbedResult> results;
  results.reserve(call.texts.size());
  int requests = 1;
  for (const absl::string_view text : call.texts) {
    EmbeddedText embedded;
    embedded.vector.resize(model_.dimensions);
    const std::optional<int> tokens =
        static_model_->Embed(text, scratch, absl::MakeSpan(embedded.vector));
    if (tokens.has_value()) {
      embedded.tokens = *tokens;
      embedded.spent = {.requests = std::exchange(requests, 0),
                        .tokens = *tokens};
      results.emplace_back(std::move(embedded));
    } else {
      results.emplace_back(absl::InvalidArgumentError(
          "holds no word; give a text with at least one"));
    }
  }
  done(std::move(results));
}

}  // namespace engram::embedding
