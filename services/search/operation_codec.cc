#include "services/search/operation_codec.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"

namespace engram::search {
namespace {

common::v1::Operation::State EncodeState(OperationView::State state) {
  switch (state) {
    case OperationView::State::kRunning:
      return common::v1::Operation::STATE_RUNNING;
    case OperationView::State::kSucceeded:
      return common::v1::Operation::STATE_SUCCEEDED;
    case OperationView::State::kFailed:
      return common::v1::Operation::STATE_FAILED;
    case OperationView::State::kCancelled:
      return common::v1::Operation::STATE_CANCELLED;
  }
  return common::v1::Operation::STATE_UNSPECIFIED;
}

void EncodeTime(absl::Time time, google::protobuf::Timestamp& encoded) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  encoded.set_seconds(seconds);
  encoded.set_nanos(static_cast<int32_t>(
      (time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

void EncodeError(const absl::Status& status, google::rpc::Status& encoded) {
  encoded.set_code(static_cast<int>(status.code()));
  encoded.set_message(std::string(status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    google::protobuf::Any* detail = encoded.add_details();
    detail->set_type_url(std::string(type));
    detail->set_value(std::string(payload));
  });
}

}  // namespace

common::v1::Operation EncodeOperation(const OperationView& view) {
  common::v1::Operation operation;
  operation.set_name(view.name);
  operation.set_kind(view.kind);
  operation.set_state(EncodeState(view.state));
  operation.mutable_progress()->set_done(view.done);
  operation.mutable_progress()->set_total(view.total);
  operation.mutable_progress()->set_unit(view.unit);
  EncodeTime(view.create_time, *operation.mutable_create_time());
  if (view.end_time != absl::InfiniteFuture()) {
    EncodeTime(view.end_time, *operation.mutable_end_time());
  }
  if (!view.error.ok()) EncodeError(view.error, *operation.mutable_error());
  if (!view.result_type.empty()) {
    operation.mutable_result()->set_type_url(view.result_type);
    operation.mutable_result()->set_value(view.result);
  }
  return operation;
}

OperationResult EncodeResult(const google::protobuf::Message& result) {
  return {absl::StrCat("type.googleapis.com/", result.GetTypeName()),
          result.SerializeAsString()};
}

}  // namespace engram::search
