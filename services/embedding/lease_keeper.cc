#include "services/embedding/lease_keeper.h"

#include "google/protobuf/util/time_util.h"

namespace engram::embedding {
namespace {

using storage::v1::ExtendLeaseRequest;
using storage::v1::LeasedEntry;
using storage::v1::OutboxEntry;

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::MillisecondsToDuration(
      absl::ToInt64Milliseconds(duration));
}

}  // namespace

LeaseKeeper::LeaseKeeper(StorageClient& storage, absl::Duration lease,
                         const Clock& clock)
    : storage_(storage), lease_(lease), clock_(clock) {}

LeaseKeeper::~LeaseKeeper() {
  if (thread_.joinable()) thread_.join();
}

void LeaseKeeper::Start() {
  thread_ = std::thread([this] {
    while (!storage_.is_shut_down()) {
      storage_.Pause(lease_ / 6);
      RunOnce();
    }
  });
}

void LeaseKeeper::RunOnce() {
  std::vector<std::pair<std::shared_ptr<State>, ExtendLeaseRequest>> due;
  const absl::Time now = clock_.Now();
  {
    absl::MutexLock lock(&mutex_);
    for (const std::shared_ptr<State>& state : states_) {
      if (state->next > now || state->open.empty()) continue;
      state->is_being_extended = true;
      due.emplace_back(state, RequestFor(*state));
    }
  }
  for (const auto& [state, request] : due) {
    const auto answer = storage_.ExtendLease(request);
    absl::MutexLock lock(&mutex_);
    state->is_being_extended = false;
    if (!answer.ok()) continue;
    state->next = now + lease_ / 3;
    for (const LeasedEntry& lost : answer->lost()) {
      const Entry entry = {lost.database(), lost.entry()};
      state->open.erase(entry);
      state->lost.insert(entry);
    }
  }
}

ExtendLeaseRequest LeaseKeeper::RequestFor(const State& state) const {
  ExtendLeaseRequest request;
  request.set_lease_id(state.lease_id);
  *request.mutable_lease() = ToProto(lease_);
  for (const auto& [database, entry] : state.open) {
    LeasedEntry& leased = *request.add_entries();
    leased.set_database(database);
    leased.set_entry(entry);
  }
  return request;
}

LeaseKeeper::Hold::Hold(LeaseKeeper& keeper,
                        const storage::v1::LeasePendingResponse& leased)
    : keeper_(keeper), state_(std::make_shared<State>()) {
  absl::MutexLock lock(&keeper_.mutex_);
  state_->lease_id = leased.lease_id();
  state_->next = keeper_.clock_.Now() + keeper_.lease_ / 3;
  for (const OutboxEntry& entry : leased.entries()) {
    state_->open.emplace(entry.database(), entry.entry());
  }
  keeper_.states_.push_back(state_);
}

LeaseKeeper::Hold::~Hold() { End(); }

bool LeaseKeeper::Hold::IsLost(const OutboxEntry& entry) const {
  absl::MutexLock lock(&keeper_.mutex_);
  return state_->lost.contains({entry.database(), entry.entry()});
}

void LeaseKeeper::Hold::Release(const std::string& database, int64_t entry) {
  absl::MutexLock lock(&keeper_.mutex_);
  state_->open.erase({database, entry});
}

void LeaseKeeper::Hold::GiveBack() {
  ExtendLeaseRequest request = End();
  if (request.entries().empty()) return;
  request.mutable_lease()->Clear();
  keeper_.storage_.GiveBack(request);
}

ExtendLeaseRequest LeaseKeeper::Hold::End() {
  absl::MutexLock lock(&keeper_.mutex_);
  std::erase(keeper_.states_, state_);
  // An extension that comes after the end would take back what is given back.
  keeper_.mutex_.Await(absl::Condition(
      +[](State* state) { return !state->is_being_extended; }, state_.get()));
  const ExtendLeaseRequest request = keeper_.RequestFor(*state_);
  state_->open.clear();
  return request;
}

}  // namespace engram::embedding
