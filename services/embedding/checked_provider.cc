#include "services/embedding/checked_provider.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

// How far from 1 the length may be: rounding, at 4096 dimensions.
constexpr double kLengthTolerance = 1e-3;

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

// Makes the results of `answer` that are not what `model` promises errors.
void CheckAnswer(const Model& model, size_t texts,
                 std::vector<EmbedResult>& answer) {
  if (answer.size() != texts) {
    answer = FailAll(texts, absl::InternalError(absl::StrCat(
                                "model ", model.name, ": ", answer.size(),
                                " vectors came for ", texts, " texts")));
    return;
  }
  for (EmbedResult& result : answer) {
    if (!result.ok()) continue;
    const absl::Status fit = CheckVector(model, result->vector);
    if (fit.ok()) continue;
    // One that is wrong makes the others doubtful: they may be in another
    // order, or another model's.
    answer =
        FailAll(texts, WithContext(fit, absl::StrCat("model ", model.name)));
    return;
  }
}

bool IsEmpty(absl::string_view text) { return text.empty(); }

}  // namespace

void CheckedProvider::Start(const EmbedCall& call, EmbedDone done) {
  if (std::any_of(call.texts.begin(), call.texts.end(), IsEmpty)) {
    return StartWithoutEmpty(call, std::move(done));
  }
  next().Start(
      call, [&model = model(), texts = call.texts.size(),
             done = std::move(done)](std::vector<EmbedResult> answer) mutable {
        CheckAnswer(model, texts, answer);
        done(std::move(answer));
      });
}

void CheckedProvider::StartWithoutEmpty(const EmbedCall& call, EmbedDone done) {
  auto texts = std::make_unique<std::vector<absl::string_view>>();
  std::vector<size_t> places;
  for (size_t i = 0; i < call.texts.size(); ++i) {
    if (call.texts[i].empty()) continue;
    texts->push_back(call.texts[i]);
    places.push_back(i);
  }
  std::vector<EmbedResult> results = FailAll(
      call.texts.size(), absl::InvalidArgumentError(
                             "is empty; give a text with at least one word"));
  if (places.empty()) return done(std::move(results));
  EmbedCall rest = call;
  rest.texts = *texts;
  Start(rest, [texts = std::move(texts), places = std::move(places),
               results = std::move(results), done = std::move(done)](
                  std::vector<EmbedResult> answer) mutable {
    for (size_t i = 0; i < places.size(); ++i) {
      results[places[i]] = std::move(answer[i]);
    }
    done(std::move(results));
  });
}

}  // namespace engram::embedding
