#include "tools/engramctl/connection.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::engramctl {
namespace {

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kStorage:
      return "storage";
    case Role::kEmbedding:
      return "embedding";
    case Role::kSearch:
      return "search";
  }
  return "";
}

std::shared_ptr<grpc::Channel> Open(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  // The environment's proxies are for the web; a database is not behind them.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Roles at one address share the connection only if their arguments agree.
  arguments.SetUserAgentPrefix("engramctl");
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// The status with another message, its details kept.
absl::Status Reworded(const absl::Status& status, absl::string_view message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    result.SetPayload(type, payload);
  });
  return result;
}

}  // namespace

Connection::Connection(ConnectionOptions options)
    : options_(std::move(options)) {
  for (const Role role : {Role::kStorage, Role::kEmbedding, Role::kSearch}) {
    channels_[static_cast<int>(role)] = Open(address(role));
  }
}

const std::string& Connection::address(Role role) const {
  const std::string& own = role == Role::kStorage     ? options_.storage
                           : role == Role::kEmbedding ? options_.embedding
                                                      : options_.search;
  return own.empty() ? options_.server : own;
}

absl::Status Connection::Explain(Role role, const absl::Status& status) const {
  const absl::string_view flag = RoleName(role);
  switch (status.code()) {
    case absl::StatusCode::kUnimplemented:
      return Reworded(
          status,
          absl::StrCat(address(role), " serves no ", flag,
                       " service, or one that is too old; give --", flag));
    case absl::StatusCode::kUnavailable:
      if (!IsUnreachable(status) ||
          channel(role)->GetState(false) == GRPC_CHANNEL_READY) {
        return status;
      }
      return Reworded(
          status, absl::StrCat("nothing answers at ", address(role),
                               "; start engramd or give --server or --", flag,
                               " (", status.message(), ")"));
    case absl::StatusCode::kDeadlineExceeded:
      // Only gRPC's own; a service that says this also says why.
      if (status.message() != "Deadline Exceeded") return status;
      return Reworded(status,
                      absl::StrCat("no answer from ", address(role), " in ",
                                   absl::FormatDuration(call_timeout()),
                                   "; give a longer --timeout"));
    case absl::StatusCode::kResourceExhausted:
      if (!IsTooLarge(status)) return status;
      return Reworded(
          status, absl::StrCat(status.message(),
                               "; send less at once or start the server with a "
                               "larger --max-message-bytes"));
    default:
      return status;
  }
}

bool IsUnreachable(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable &&
         ReasonOf(status) == common::v1::ERROR_REASON_UNSPECIFIED &&
         !RetryDelayOf(status).has_value();
}

bool IsTooLarge(const absl::Status& status) {
  // gRPC's own words; it has no better sign.
  return status.code() == absl::StatusCode::kResourceExhausted &&
         absl::StrContains(status.message(), "larger than max");
}

}  // namespace engram::engramctl
