#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_SERVER_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_SERVER_H_

#include <grpcpp/impl/service_type.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/search/deadline_timer.h"
#include "services/search/index_service.h"
#include "services/search/operation_service.h"
#include "services/search/search_backend.h"
#include "services/search/search_metrics.h"
#include "services/search/search_options.h"
#include "services/search/search_service.h"

namespace engram::search {

// The parts of the search service, and their order.
class SearchServer {
 public:
  // `registry` must outlive the server.
  static absl::StatusOr<std::unique_ptr<SearchServer>> Create(
      SearchOptions options, prometheus::Registry& registry);

  // Stops.
  ~SearchServer();

  // What to serve. Valid as long as the server; a gRPC server that serves them
  // must be shut down before this object ends. Calls before Start and after
  // Stop are `UNAVAILABLE`.
  std::vector<grpc::Service*> services();

  // Starts to follow storage, which need not be up yet, nor embedding. Call it
  // once.
  absl::Status Start(SearchPeers peers);

  // Whether every database has reached the position that storage first told of.
  // Later lag and later databases do not change it; Stop does.
  bool IsReady() const;

  // Refuses new calls, ends those that wait for positions, cancels operations,
  // stops following, saves the caches, and gives the other calls a few seconds
  // to end. Idempotent; not to be called beside itself.
  void Stop();

 private:
  SearchServer(SearchOptions options, prometheus::Registry& registry);

  // Brings the gauges up to date, and does so again in a second.
  void UpdateMetrics();

  const SearchOptions options_;
  SearchMetrics metrics_;
  BackendSlot slot_;
  SearchService search_service_;
  IndexService index_service_;
  OperationService operation_service_;
  std::atomic<bool> running_ = false;

  // From Start on; later ones use those before.
  std::unique_ptr<DeadlineTimer> timer_;
  std::unique_ptr<SearchBackend> backend_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_SERVER_H_
