// Calls to Engram's services.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_CONNECTION_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/status/grpc_status.h"

namespace engram::engramctl {

enum class Role { kStorage, kEmbedding, kSearch };

inline constexpr absl::Duration kDefaultTimeout = absl::Seconds(30);

struct ConnectionOptions {
  // An engramd, which serves every role.
  std::string server = "127.0.0.1:7700";
  // The address of one role; empty is `server`.
  std::string storage;
  std::string embedding;
  std::string search;
  // The longest that a call may take, and that a command may wait; unset is
  // kDefaultTimeout for a call and no limit for waiting.
  std::optional<absl::Duration> timeout;
};

// One channel a role. Thread-safe.
class Connection {
 public:
  explicit Connection(ConnectionOptions options);

  // Calls a method of a service of `role`, such as
  //   Call(Role::kStorage, &RecordService::Stub::Get, request)
  // The error says what an operator can do, where that is known.
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> Call(
      Role role,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    return CallWithin(call_timeout(), role, method, request);
  }

  // The same with another limit than call_timeout().
  template <typename Stub, typename Request, typename Response>
  absl::StatusOr<Response> CallWithin(
      absl::Duration timeout, Role role,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    Stub stub(channel(role));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (status.ok()) return response;
    return Explain(role, FromGrpcStatus(status));
  }

  // Calls a method that streams, and `visit` with each response until it says
  // false; then the call is over and nobody's fault. Ends with
  // `DeadlineExceeded` at `deadline`.
  template <typename Stub, typename Request, typename Response>
  absl::Status Stream(
      absl::Time deadline, Role role,
      std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(
          grpc::ClientContext*, const Request&),
      const Request& request,
      absl::FunctionRef<absl::StatusOr<bool>(const Response&)> visit) {
    Stub stub(channel(role));
    grpc::ClientContext context;
    if (deadline != absl::InfiniteFuture()) {
      context.set_deadline(absl::ToChronoTime(deadline));
    }
    const auto reader = (stub.*method)(&context, request);
    Response response;
    while (reader->Read(&response)) {
      const absl::StatusOr<bool> goes_on = visit(response);
      if (goes_on.ok() && *goes_on) continue;
      context.TryCancel();
      reader->Finish();
      return goes_on.status();
    }
    return Explain(role, FromGrpcStatus(reader->Finish()));
  }

  absl::Duration call_timeout() const {
    return options_.timeout.value_or(kDefaultTimeout);
  }
  // When waiting that begins now must end.
  absl::Time wait_deadline() const {
    return absl::Now() + options_.timeout.value_or(absl::InfiniteDuration());
  }
  const std::string& address(Role role) const;

 private:
  const std::shared_ptr<grpc::Channel>& channel(Role role) const {
    return channels_[static_cast<int>(role)];
  }
  absl::Status Explain(Role role, const absl::Status& status) const;

  const ConnectionOptions options_;
  std::array<std::shared_ptr<grpc::Channel>, 3> channels_;
};

// Whether `status` says that nothing took the call, rather than that a service
// refused it.
bool IsUnreachable(const absl::Status& status);

// Whether `status` says that a message is larger than the server takes.
bool IsTooLarge(const absl::Status& status);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CONNECTION_H_
