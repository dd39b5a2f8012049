#include <CLI/CLI.hpp>
#include <ostream>

#include "engram/storage/v1/feed.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::FeedService;
using storage::v1::Follower;

absl::Status ListFollowers(Context& context) {
  storage::v1::ListFollowersRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(
      const storage::v1::ListFollowersResponse response,
      context.connection().Call(Role::kStorage,
                                &FeedService::Stub::ListFollowers, request));
  Table table({{"FOLLOWER"},
               {"POSITION", Table::Align::kRight},
               {"BEHIND", Table::Align::kRight},
               {"ACKNOWLEDGED"},
               {"STATE"}});
  for (const Follower& follower : response.followers()) {
    const std::string time = TimestampText(follower.acknowledge_time());
    if (context.console.json) {
      context.console.out << JsonObject()
                                 .Text("name", follower.name())
                                 .Text("position", follower.position())
                                 .Int("lag", follower.lag())
                                 .Text("acknowledge_time", time)
                                 .Bool("pruned", follower.pruned())
                                 .ToString()
                          << "\n";
      continue;
    }
    table.AddRow({follower.name(), follower.position(),
                  WithCommas(follower.lag()), time,
                  follower.pruned() ? "needs a snapshot" : "follows"});
  }
  if (!context.console.json) PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::Status RemoveFollower(Context& context, const std::string& name) {
  storage::v1::RemoveFollowerRequest request;
  request.set_database(context.database);
  request.set_follower(name);
  RETURN_IF_ERROR(
      context.connection()
          .Call(Role::kStorage, &FeedService::Stub::RemoveFollower, request)
          .status());
  if (context.console.json) {
    context.console.out << JsonObject().Text("removed", name).ToString()
                        << "\n";
  } else {
    context.console.out << "removed " << name << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddFollowerCommand(CLI::App& app, Context& context) {
  CLI::App* follower = app.add_subcommand(
      "follower", "Show and remove those that changes are kept for");
  follower->require_subcommand(1);
  CLI::App* list = follower->add_subcommand("list", "List the followers");
  list->footer("Examples:\n  engramctl follower list");
  list->callback([&context] {
    context.action = [&context] { return ListFollowers(context); };
  });
  CLI::App* remove = follower->add_subcommand(
      "remove", "Forget a follower: nothing is kept for it any more");
  auto name = std::make_shared<std::string>();
  remove->add_option("NAME", *name, "The follower")->required();
  remove->footer("Examples:\n  engramctl follower remove audit");
  remove->callback([&context, name] {
    context.action = [&context, name] {
      return RemoveFollower(context, *name);
    };
  });
}

}  // namespace engram::engramctl
