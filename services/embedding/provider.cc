#include "services/embedding/provider.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);
// As a payload, it stays with the status on its way, and no client sees it.
constexpr char kBlameUrl[] = "engram/fails-at-this-text";

}  // namespace

std::vector<EmbedResult> Provider::EmbedEach(
    absl::Span<const absl::string_view> texts, Purpose purpose,
    absl::Time deadline) {
  absl::Notification answered;
  std::vector<EmbedResult> results;
  Start({.texts = texts,
         .purpose = purpose,
         .caller = std::make_shared<Caller>(deadline)},
        [&](std::vector<EmbedResult> answer) {
          results = std::move(answer);
          answered.Notify();
        });
  answered.WaitForNotification();
  return results;
}

absl::StatusOr<std::vector<EmbeddedText>> Provider::Embed(
    absl::Span<const absl::string_view> texts, Purpose purpose) {
  return AllOrNothing(EmbedEach(texts, purpose, absl::Now() + kPatience),
                      "texts");
}

absl::Status BlameText(absl::Status error) {
  error.SetPayload(kBlameUrl, absl::Cord());
  return error;
}

bool IsTextsFault(const absl::Status& error) {
  return absl::IsInvalidArgument(error) ||
         error.GetPayload(kBlameUrl).has_value();
}

std::vector<EmbedResult> FailAll(size_t texts, const absl::Status& error) {
  return {texts, EmbedResult(error)};
}

absl::Status FirstFailure(const std::vector<EmbedResult>& results,
                          absl::string_view field) {
  FieldViolations violations;
  absl::Status failure;
  for (size_t i = 0; i < results.size(); ++i) {
    const absl::Status& status = results[i].status();
    if (absl::IsInvalidArgument(status)) {
      violations.Add(absl::StrCat(field, "[", i, "]"), status.message());
    } else {
      failure.Update(status);
    }
  }
  return violations.empty() ? failure : violations.ToStatus();
}

absl::StatusOr<std::vector<EmbeddedText>> AllOrNothing(
    std::vector<EmbedResult> results, absl::string_view field) {
  const absl::Status failure = FirstFailure(results, field);
  if (!failure.ok()) return failure;
  std::vector<EmbeddedText> embedded;
  embedded.reserve(results.size());
  for (EmbedResult& result : results) embedded.push_back(*std::move(result));
  return embedded;
}

}  // namespace engram::embedding
