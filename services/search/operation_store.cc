#include "services/search/operation_store.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::search {

OperationHandle::OperationHandle(OperationStore& store, std::string name,
                                 int64_t number)
    : store_(store), name_(std::move(name)), number_(number) {}

OperationHandle::~OperationHandle() {
  // Without effect if Finish was called.
  store_.Finish(number_, absl::InternalError("the work was abandoned"));
}

void OperationHandle::SetProgress(int64_t done, int64_t total) {
  absl::MutexLock lock(&store_.mutex_);
  const auto found = store_.operations_.find(number_);
  if (found == store_.operations_.end()) return;
  found->second.view.done = done;
  found->second.view.total = total;
}

bool OperationHandle::IsCancelled() const {
  absl::MutexLock lock(&store_.mutex_);
  const auto found = store_.operations_.find(number_);
  return found == store_.operations_.end() || found->second.cancelled;
}

void OperationHandle::OnCancel(std::function<void()> hook) {
  absl::MutexLock lock(&store_.mutex_);
  const auto found = store_.operations_.find(number_);
  if (found == store_.operations_.end()) return;
  found->second.cancel_hook = std::move(hook);
  if (found->second.cancelled && found->second.cancel_hook) {
    found->second.cancel_hook();
  }
}

void OperationHandle::Finish(absl::StatusOr<OperationResult> result) {
  store_.Finish(number_, std::move(result));
}

OperationStore::OperationStore(DeadlineTimer& timer, const Clock& clock,
                               int max_ended)
    : timer_(timer), clock_(clock), max_ended_(max_ended) {}

OperationStore::~OperationStore() {
  Stop();
  timer_.WaitForRunning();
}

std::shared_ptr<OperationHandle> OperationStore::Start(absl::string_view kind,
                                                       absl::string_view unit) {
  absl::MutexLock lock(&mutex_);
  const int64_t number = next_number_++;
  Operation& operation = operations_[number];
  operation.view.name = absl::StrCat(kind, "-", number);
  operation.view.kind = std::string(kind);
  operation.view.unit = std::string(unit);
  operation.view.create_time = clock_.Now();
  operation.cancelled = stopped_;
  numbers_[operation.view.name] = number;
  return std::make_shared<OperationHandle>(*this, operation.view.name, number);
}

std::optional<OperationView> OperationStore::Get(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = numbers_.find(std::string(name));
  if (found == numbers_.end()) return std::nullopt;
  return operations_.at(found->second).view;
}

std::vector<OperationView> OperationStore::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<OperationView> views;
  for (auto at = operations_.rbegin(); at != operations_.rend(); ++at) {
    views.push_back(at->second.view);
  }
  return views;
}

void OperationStore::Wait(absl::string_view name, absl::Time deadline,
                          WaitCallback callback) {
  std::optional<OperationView> answer;
  {
    absl::MutexLock lock(&mutex_);
    Operation* operation = Find(name);
    if (operation != nullptr) {
      if (operation->view.state == OperationView::State::kRunning) {
        const int64_t number = numbers_.at(operation->view.name);
        const uint64_t waiter = next_waiter_++;
        const DeadlineTimer::Ticket ticket = timer_.At(
            deadline, [this, number, waiter] { Expire(number, waiter); });
        operation->waiters.emplace(waiter, Waiter{ticket, std::move(callback)});
        return;
      }
      answer = operation->view;
    }
  }
  callback(std::move(answer));
}

std::optional<OperationView> OperationStore::Cancel(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  Operation* operation = Find(name);
  if (operation == nullptr) return std::nullopt;
  CancelLocked(*operation);
  return operation->view;
}

void OperationStore::Stop() {
  std::vector<std::pair<WaitCallback, OperationView>> answers;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (auto& [number, operation] : operations_) {
      CancelLocked(operation);
      for (WaitCallback& callback : TakeWaiters(operation)) {
        answers.emplace_back(std::move(callback), operation.view);
      }
    }
  }
  for (auto& [callback, view] : answers) callback(std::move(view));
}

void OperationStore::Finish(int64_t number,
                            absl::StatusOr<OperationResult> result) {
  std::vector<WaitCallback> callbacks;
  OperationView view;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = operations_.find(number);
    if (found == operations_.end()) return;
    Operation& operation = found->second;
    if (operation.view.state != OperationView::State::kRunning) return;
    operation.view.end_time = clock_.Now();
    operation.cancel_hook = nullptr;
    if (result.ok()) {
      operation.view.state = OperationView::State::kSucceeded;
      operation.view.result_type = std::move(result->type_url);
      operation.view.result = std::move(result->bytes);
    } else {
      operation.view.state = operation.cancelled
                                 ? OperationView::State::kCancelled
                                 : OperationView::State::kFailed;
      operation.view.error = result.status();
    }
    callbacks = TakeWaiters(operation);
    view = operation.view;
    ended_.push_back(number);
    if (ended_.size() > max_ended_) {
      const auto oldest = operations_.find(ended_.front());
      numbers_.erase(oldest->second.view.name);
      operations_.erase(oldest);
      ended_.pop_front();
    }
  }
  for (WaitCallback& callback : callbacks) callback(view);
}

void OperationStore::CancelLocked(Operation& operation) {
  if (operation.view.state != OperationView::State::kRunning) return;
  operation.cancelled = true;
  if (operation.cancel_hook) operation.cancel_hook();
}

void OperationStore::Expire(int64_t number, uint64_t waiter) {
  WaitCallback callback;
  OperationView view;
  {
    absl::MutexLock lock(&mutex_);
    const auto operation = operations_.find(number);
    if (operation == operations_.end()) return;
    const auto found = operation->second.waiters.find(waiter);
    if (found == operation->second.waiters.end()) return;
    callback = std::move(found->second.callback);
    operation->second.waiters.erase(found);
    view = operation->second.view;
  }
  callback(std::move(view));
}

std::vector<OperationStore::WaitCallback> OperationStore::TakeWaiters(
    Operation& operation) {
  std::vector<WaitCallback> callbacks;
  for (auto& [number, waiter] : operation.waiters) {
    timer_.Cancel(waiter.ticket);
    callbacks.push_back(std::move(waiter.callback));
  }
  operation.waiters.clear();
  return callbacks;
}

OperationStore::Operation* OperationStore::Find(absl::string_view name) {
  const auto found = numbers_.find(std::string(name));
  return found == numbers_.end() ? nullptr : &operations_.at(found->second);
}

}  // namespace engram::search
