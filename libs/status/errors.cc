#include "libs/status/errors.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"

namespace engram {
namespace {

constexpr absl::string_view kTypePrefix = "type.googleapis.com/";
constexpr absl::string_view kReasonPrefix = "ERROR_REASON_";
constexpr int kViolationsInMessage = 5;
// The message grows by one violation at most beyond this.
constexpr size_t kMessageBytes = 512;
// With the message, which may triple when it is encoded for the wire, its copy
// inside the details, and the other details: less than 8 KiB.
constexpr size_t kViolationsBytes = 3072;
constexpr size_t kMaxPathBytes = 200;
constexpr size_t kMaxProblemBytes = 400;

template <typename Detail>
std::string TypeUrl() {
  return absl::StrCat(kTypePrefix, Detail::descriptor()->full_name());
}

template <typename Detail>
void Attach(const Detail& detail, absl::Status& status) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, ErrorReason reason,
                       absl::string_view message, ErrorMetadata metadata) {
  absl::Status status(code, message);
  google::rpc::ErrorInfo info;
  info.set_domain("engram");
  info.set_reason(
      std::string(absl::StripPrefix(ErrorReason_Name(reason), kReasonPrefix)));
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[std::string(key)] = std::string(value);
  }
  Attach(info, status);
  return status;
}

absl::Status InvalidField(absl::string_view path, absl::string_view problem) {
  FieldViolations violations;
  violations.Add(path, problem);
  return violations.ToStatus();
}

absl::Status WithRetryDelay(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo info;
  const int64_t nanos = absl::ToInt64Nanoseconds(delay);
  info.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
  info.mutable_retry_delay()->set_nanos(nanos % 1'000'000'000);
  Attach(info, status);
  return status;
}

std::optional<absl::Duration> RetryDelayOf(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<google::rpc::RetryInfo>());
  google::rpc::RetryInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) {
    return std::nullopt;
  }
  return absl::Seconds(info.retry_delay().seconds()) +
         absl::Nanoseconds(info.retry_delay().nanos());
}

absl::Status WithContext(const absl::Status& status,
                         absl::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(),
                      absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    result.SetPayload(type, payload);
  });
  return result;
}

absl::Status MapFieldPaths(
    const absl::Status& status,
    absl::FunctionRef<std::string(absl::string_view)> map) {
  const auto payload = status.GetPayload(TypeUrl<google::rpc::BadRequest>());
  google::rpc::BadRequest details;
  if (!payload.has_value() || !details.ParseFromString(std::string(*payload))) {
    return status;
  }
  FieldViolations violations;
  for (const auto& violation : details.field_violations()) {
    violations.Add(map(violation.field()), violation.description());
  }
  return violations.ToStatus();
}

ErrorReason ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<google::rpc::ErrorInfo>());
  google::rpc::ErrorInfo info;
  ErrorReason reason = common::v1::ERROR_REASON_UNSPECIFIED;
  if (payload.has_value() && info.ParseFromString(std::string(*payload))) {
    ErrorReason_Parse(absl::StrCat(kReasonPrefix, info.reason()), &reason);
  }
  return reason;
}

std::string CutText(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  while (max_bytes > 0 && (text[max_bytes] & 0xC0) == 0x80) --max_bytes;
  return absl::StrCat(text.substr(0, max_bytes), "…");
}

void FieldViolations::Add(absl::string_view path, absl::string_view problem) {
  ++count_;
  if (full()) return;
  violations_.emplace_back(CutText(path, kMaxPathBytes),
                           CutText(problem, kMaxProblemBytes));
  const auto& [kept_path, kept_problem] = violations_.back();
  bytes_ += kept_path.size() + kept_problem.size();
}

bool FieldViolations::full() const {
  return bytes_ >= kViolationsBytes - kMaxPathBytes - kMaxProblemBytes;
}

absl::Status FieldViolations::ToStatus() const {
  if (empty()) return absl::OkStatus();
  std::string message;
  google::rpc::BadRequest details;
  int64_t in_message = 0;
  for (const auto& [path, problem] : violations_) {
    auto* violation = details.add_field_violations();
    violation->set_field(path);
    violation->set_description(problem);
    if (in_message < kViolationsInMessage && message.size() < kMessageBytes) {
      absl::StrAppend(&message, in_message++ == 0 ? "" : "; ", path, ": ",
                      problem);
    }
  }
  if (count_ > in_message) {
    absl::StrAppend(&message, "; and ", count_ - in_message, " more");
  }
  absl::Status status =
      MakeError(absl::StatusCode::kInvalidArgument,
                common::v1::ERROR_REASON_FIELD_INVALID, message,
                {{"violations", absl::StrCat(count_)}});
  Attach(details, status);
  return status;
}

}  // namespace engram
