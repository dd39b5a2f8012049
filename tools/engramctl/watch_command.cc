#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/change_view.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::Change;
using storage::v1::FeedService;
using storage::v1::WatchChangesRequest;
using storage::v1::WatchChangesResponse;

struct WatchOptions {
  std::vector<std::string> collections;
  std::string after;
  std::string follower;
  bool all = false;
  bool until_current = false;
};

// The metadata `oldest_position` of an error; empty if it has none.
std::string OldestPosition(const absl::Status& status) {
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) {
    return "";
  }
  const auto found = info.metadata().find("oldest_position");
  return found == info.metadata().end() ? "" : found->second;
}

// The position before a database's first change.
absl::StatusOr<std::string> FirstPosition(Context& context) {
  storage::v1::DatabaseServiceGetRequest request;
  request.set_database(context.database.empty() ? "default" : context.database);
  ASSIGN_OR_RETURN(
      const storage::v1::DatabaseServiceGetResponse response,
      context.connection().Call(
          Role::kStorage, &storage::v1::DatabaseService::Stub::Get, request));
  ASSIGN_OR_RETURN(Position position,
                   Position::Parse(response.database().position()));
  position.sequence = 0;
  return position.ToString();
}

// Watches, and prints what comes.
class Watch {
 public:
  Watch(Context& context, const WatchOptions& options)
      : context_(context), options_(options) {
    request_.set_database(context.database);
    request_.set_view(storage::v1::FEED_VIEW_RECORD);
    request_.set_follower(options.follower);
    request_.set_after_position(options.after);
    for (const std::string& collection : options.collections) {
      request_.add_collections(collection);
    }
  }

  absl::Status Run() {
    if (options_.all) {
      ASSIGN_OR_RETURN(*request_.mutable_after_position(),
                       FirstPosition(context_));
    }
    // The position says it.
    if (!request_.after_position().empty()) request_.clear_database();
    const absl::Time deadline = context_.connection().wait_deadline();
    absl::Status status = Follow(deadline);
    const std::string oldest = OldestPosition(status);
    if (options_.all && !oldest.empty()) {
      request_.set_after_position(oldest);
      status = Follow(deadline);
    }
    // --timeout says how long to watch.
    return absl::IsDeadlineExceeded(status) ? absl::OkStatus() : status;
  }

 private:
  absl::Status Follow(absl::Time deadline) {
    return context_.connection()
        .Stream<FeedService::Stub, WatchChangesRequest, WatchChangesResponse>(
            deadline, Role::kStorage, &FeedService::Stub::WatchChanges,
            request_,
            [this](
                const WatchChangesResponse& response) -> absl::StatusOr<bool> {
              RETURN_IF_ERROR(Print(response));
              if (!options_.follower.empty()) {
                RETURN_IF_ERROR(Acknowledge(response.position()));
              }
              return !options_.until_current ||
                     response.position() != response.newest_position();
            });
  }

  absl::Status Print(const WatchChangesResponse& response) {
    ASSIGN_OR_RETURN(Position position, Position::Parse(response.position()));
    const Console& console = context_.console;
    for (const Change& change : response.changes()) {
      position.sequence = change.sequence();
      if (console.json) {
        console.out << ChangeAsJson(change, position.ToString()).ToString();
      } else {
        console.out << Fit(ChangeAsText(change), console.out_terminal.width);
      }
      console.out << "\n";
    }
    // Now, as nobody knows when the next change comes.
    console.out.flush();
    if (console.out.good()) return absl::OkStatus();
    return absl::UnavailableError("the output takes no more");
  }

  absl::Status Acknowledge(const std::string& position) {
    storage::v1::AcknowledgeChangesRequest request;
    request.set_follower(options_.follower);
    request.set_position(position);
    return context_.connection()
        .Call(Role::kStorage, &FeedService::Stub::AcknowledgeChanges, request)
        .status();
  }

  Context& context_;
  const WatchOptions& options_;
  WatchChangesRequest request_;
};

}  // namespace

void AddWatchCommand(CLI::App& app, Context& context) {
  CLI::App* watch = app.add_subcommand(
      "watch", "Print every change as it is committed, until Ctrl-C");
  auto options = std::make_shared<WatchOptions>();
  watch->add_option("COLLECTION", options->collections,
                    "Only changes of these collections");
  CLI::Option* after = watch->add_option(
      "--after", options->after,
      "Begin after this position (default: now, or where --follower is)");
  watch
      ->add_flag("--all", options->all,
                 "Begin with the oldest change that is kept")
      ->excludes(after);
  watch->add_option("--follower", options->follower,
                    "Go on where this follower stopped, and acknowledge what "
                    "was printed");
  watch->add_flag("--until-current", options->until_current,
                  "Stop once there is no newer change");
  watch->footer(
      R"(One line a change: time, sequence, what happened, and the fields that differ.
--json prints positions, and records before and after. --timeout says how long
to watch.

Examples:
  engramctl watch
  engramctl watch notes --all --until-current --json
  engramctl watch notes --follower audit --json >> audit.jsonl)");
  watch->callback([&context, options] {
    context.action = [&context, options] {
      return Watch(context, *options).Run();
    };
  });
}

}  // namespace engram::engramctl
