#include "services/search/search_server.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

// Prometheus asks every few seconds at most.
constexpr absl::Duration kMetricsInterval = absl::Seconds(1);

// Calls under way may take this long to end, once nothing waits for positions
// any more.
constexpr absl::Duration kDrainTime = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::unique_ptr<SearchServer>> SearchServer::Create(
    SearchOptions options, prometheus::Registry& registry) {
  RETURN_IF_ERROR(options.Validate());
  return std::unique_ptr<SearchServer>(
      new SearchServer(std::move(options), registry));
}

SearchServer::SearchServer(SearchOptions options,
                           prometheus::Registry& registry)
    : options_(std::move(options)),
      metrics_(registry),
      search_service_(slot_),
      index_service_(slot_),
      operation_service_(slot_) {}

SearchServer::~SearchServer() { Stop(); }

std::vector<grpc::Service*> SearchServer::services() {
  return {&search_service_, &index_service_, &operation_service_};
}

absl::Status SearchServer::Start(SearchPeers peers) {
  timer_ = std::make_unique<DeadlineTimer>();
  backend_ =
      std::make_unique<SearchBackend>(options_, peers, *timer_, metrics_);
  backend_->watcher.Start();
  backend_->optimizer.Start();
  slot_.Open(backend_.get());
  running_ = true;
  UpdateMetrics();
  return absl::OkStatus();
}

bool SearchServer::IsReady() const {
  return running_ && backend_->watcher.HasCaughtUp();
}

void SearchServer::Stop() {
  if (!running_.exchange(false)) return;
  slot_.Close();
  backend_->operations.Stop();
  backend_->optimizer.Stop();
  backend_->watcher.Stop();
  if (!slot_.WaitForCalls(kDrainTime)) {
    backend_->calls.CancelAll();
    slot_.WaitForCalls(absl::InfiniteDuration());
  }
  timer_->WaitForRunning();  // UpdateMetrics, perhaps for the last time.
}

void SearchServer::UpdateMetrics() {
  if (!running_) return;
  backend_->watcher.UpdateMetrics();
  timer_->At(absl::Now() + kMetricsInterval, [this] { UpdateMetrics(); });
}

}  // namespace engram::search
