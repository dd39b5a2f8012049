#include "services/embedding/checked_provider.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::embedding {
namespace {

// How far from 1 the length may be: rounding, at 4096 dimensions.
constexpr double kLengthTolerance = 1e-3;

absl::Status CheckTexts(absl::Span<const absl::string_view> texts) {
  FieldViolations violations;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) {
      violations.Add(absl::StrCat("texts[", i, "]"),
                     "is empty; give a text with at least one word");
    }
  }
  return violations.ToStatus();
}

absl::Status CheckVector(const Model& model, absl::Span<const float> vector) {
  if (vector.size() != model.dimensions) {
    return absl::InternalError(absl::StrCat("a vector has ", vector.size(),
                                            " values, the model has ",
                                            model.dimensions));
  }
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  // A value that is not finite makes the sum so.
  if (!std::isfinite(squares)) {
    return absl::InternalError("a vector has a value that is not finite");
  }
  if (model.normalized && std::abs(std::sqrt(squares) - 1) > kLengthTolerance) {
    return absl::InternalError(
        absl::StrCat("a vector has length ", std::sqrt(squares), ", not 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckAnswer(const Model& model, size_t texts,
                         absl::Span<const EmbeddedText> answer) {
  if (answer.size() != texts) {
    return absl::InternalError(
        absl::StrCat(answer.size(), " vectors came for ", texts, " texts"));
  }
  for (const EmbeddedText& embedded : answer) {
    RETURN_IF_ERROR(CheckVector(model, embedded.vector));
  }
  return absl::OkStatus();
}

}  // namespace

CheckedProvider::CheckedProvider(std::unique_ptr<Provider> provider)
    : provider_(std::move(provider)) {}

absl::StatusOr<std::vector<EmbeddedText>> CheckedProvider::Embed(
    absl::Span<const absl::string_view> texts, Purpose purpose) {
  RETURN_IF_ERROR(CheckTexts(texts));
  ASSIGN_OR_RETURN(std::vector<EmbeddedText> answer,
                   provider_->Embed(texts, purpose));
  const absl::Status fit = CheckAnswer(model(), texts.size(), answer);
  if (!fit.ok()) {
    return WithContext(fit, absl::StrCat("model ", model().name));
  }
  return answer;
}

}  // namespace engram::embedding
