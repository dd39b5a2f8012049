#include "services/embedding/providers/builtin_provider.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

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
          .max_tokens = model.max_tokens()};
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

absl::StatusOr<std::vector<EmbeddedText>> BuiltinProvider::Embed(
    absl::Span<const absl::string_view> texts, Purpose /*purpose*/) {
  StaticModel::Scratch scratch;
  FieldViolations violations;
  std::vector<EmbeddedText> embedded(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    embedded[i].vector.resize(model_.dimensions);
    const std::optional<int> tokens = static_model_->Embed(
        texts[i], scratch, absl::MakeSpan(embedded[i].vector));
    if (tokens.has_value()) {
      embedded[i].tokens = *tokens;
    } else {
      violations.Add(absl::StrCat("texts[", i, "]"),
                     "holds no word; give a text with at least one");
    }
  }
  if (!violations.empty()) return violations.ToStatus();
  return embedded;
}

}  // namespace engram::embedding
