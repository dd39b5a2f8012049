#include "services/search/operation_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/rpc/deadline.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "services/search/operation_codec.h"

namespace engram::search {
namespace {

constexpr absl::Duration kMaxWait = absl::Seconds(60);

absl::Status UnknownOperation(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_OPERATION_UNKNOWN,
                   absl::StrCat("no operation \"", name,
                                "\" is kept; the last 1000 that ended are, "
                                "until a restart"),
                   {{"operation", name}});
}

// Fills `response` with what the store knows.
template <typename Response>
absl::Status Answer(const std::optional<OperationView>& view,
                    const std::string& name, Response* response) {
  if (!view.has_value()) return UnknownOperation(name);
  *response->mutable_operation() = EncodeOperation(*view);
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> DecodeTimeout(
    const v1::OperationServiceWaitRequest& request) {
  if (!request.has_timeout()) return kMaxWait;
  const absl::Duration timeout = absl::Seconds(request.timeout().seconds()) +
                                 absl::Nanoseconds(request.timeout().nanos());
  if (timeout < absl::ZeroDuration() || timeout > kMaxWait) {
    return InvalidField(
        "timeout",
        absl::StrCat("is ", absl::FormatDuration(timeout), "; send 0 to 60 s"));
  }
  return timeout;
}

}  // namespace

grpc::ServerUnaryReactor* OperationService::Get(
    grpc::CallbackServerContext* context,
    const v1::OperationServiceGetRequest* request,
    v1::OperationServiceGetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  rpc::Finish(reactor, backend == nullptr
                           ? NotServingError()
                           : Answer(backend->operations.Get(request->name()),
                                    request->name(), response));
  return reactor;
}

grpc::ServerUnaryReactor* OperationService::List(
    grpc::CallbackServerContext* context,
    const v1::OperationServiceListRequest*,
    v1::OperationServiceListResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
    return reactor;
  }
  for (const OperationView& view : backend->operations.List()) {
    *response->add_operations() = EncodeOperation(view);
    // Of up to a megabyte each, which Get and Wait have.
    response->mutable_operations(response->operations_size() - 1)
        ->clear_result();
  }
  rpc::Finish(reactor, absl::OkStatus());
  return reactor;
}

grpc::ServerUnaryReactor* OperationService::Wait(
    grpc::CallbackServerContext* context,
    const v1::OperationServiceWaitRequest* request,
    v1::OperationServiceWaitResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  const absl::StatusOr<absl::Duration> timeout = DecodeTimeout(*request);
  if (backend == nullptr || !timeout.ok()) {
    rpc::Finish(reactor,
                backend == nullptr ? NotServingError() : timeout.status());
    return reactor;
  }
  const absl::Time deadline =
      absl::Now() + std::min(*timeout, rpc::TimeUntil(context->deadline()));
  backend->operations.Wait(request->name(), deadline,
                           [reactor, backend, response, name = request->name()](
                               std::optional<OperationView> view) {
                             rpc::Finish(reactor, Answer(view, name, response));
                           });
  return reactor;
}

grpc::ServerUnaryReactor* OperationService::Cancel(
    grpc::CallbackServerContext* context,
    const v1::OperationServiceCancelRequest* request,
    v1::OperationServiceCancelResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const std::shared_ptr<SearchBackend> backend = slot_.Borrow();
  rpc::Finish(reactor, backend == nullptr
                           ? NotServingError()
                           : Answer(backend->operations.Cancel(request->name()),
                                    request->name(), response));
  return reactor;
}

}  // namespace engram::search
