// How the calls of search begin.

#ifndef ENGRAM_SERVICES_SEARCH_STARTED_CALL_H_
#define ENGRAM_SERVICES_SEARCH_STARTED_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "services/search/query_decoder.h"
#include "services/search/search_backend.h"

namespace engram::search {

// Begins a call: `start(backend, reactor)` ends it, at once or later, and keeps
// the backend until then. Where none is lent the call ends with
// NotServingError().
template <typename Start>
grpc::ServerUnaryReactor* StartCall(const BackendSlot& slot,
                                    grpc::CallbackServerContext* context,
                                    Start start) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::shared_ptr<SearchBackend> backend = slot.Borrow();
  if (backend == nullptr) {
    rpc::Finish(reactor, NotServingError());
  } else {
    start(std::move(backend), reactor);
  }
  return reactor;
}

// A call about one database.
struct DatabaseCall {
  std::shared_ptr<SearchBackend> backend;
  std::shared_ptr<FeedFollower> follower;
  absl::Time deadline;
  grpc::ServerUnaryReactor* reactor = nullptr;
};

// Begins a call about `database`, empty for the default one: `start(call)` ends
// it. It ends at once with `checked`, what was found of its request, if that is
// an error; and with that of PositionGate::FindDatabase.
template <typename Start>
grpc::ServerUnaryReactor* StartDatabaseCall(
    const BackendSlot& slot, grpc::CallbackServerContext* context,
    const absl::Status& checked, const std::string& database, Start start) {
  return StartCall(
      slot, context,
      [&](std::shared_ptr<SearchBackend> backend,
          grpc::ServerUnaryReactor* reactor) {
        if (!checked.ok()) return rpc::Finish(reactor, checked);
        PositionGate& gate = backend->gate;
        const absl::Time deadline = backend->DeadlineOf(*context);
        gate.FindDatabase(
            DatabaseOrDefault(database), deadline,
            [reactor, deadline, backend = std::move(backend),
             start = std::move(start)](
                absl::StatusOr<std::shared_ptr<FeedFollower>> follower) {
              if (!follower.ok()) {
                return rpc::Finish(reactor, follower.status());
              }
              start(DatabaseCall{backend, *std::move(follower), deadline,
                                 reactor});
            });
      });
}

// InvalidField of a request that must name its collection and does not.
inline absl::Status CheckCollection(const std::string& collection) {
  return collection.empty()
             ? InvalidField("collection", "is empty; name the collection")
             : absl::OkStatus();
}

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_STARTED_CALL_H_
