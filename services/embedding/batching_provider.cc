#include "services/embedding/batching_provider.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

constexpr int kDefaultCalls = 8;
constexpr absl::Duration kWindow = absl::Milliseconds(2);
constexpr absl::Duration kFullDelay = absl::Seconds(1);

bool IsQuery(Purpose purpose) { return purpose == Purpose::kQuery; }

}  // namespace

struct BatchingProvider::Waiting {
  Waiting(const EmbedCall& call, EmbedDone done)
      : call(call),
        results(call.texts.size(), absl::InternalError("")),
        missing(call.texts.size()),
        done(std::move(done)) {}

  const EmbedCall call;
  // Each is written by whoever has its text, and no other.
  std::vector<EmbedResult> results;
  std::atomic<size_t> missing;
  EmbedDone done;
};

struct BatchingProvider::Batch {
  std::vector<Item> items;
  std::vector<absl::string_view> texts;
  EmbedCall call;
  // When it began, itself among them.
  int under_way = 0;
  // Its number among all calls.
  int64_t number = 0;
  absl::Time start;
};

BatchingProvider::BatchingProvider(std::unique_ptr<Provider> next,
                                   size_t max_queued_bytes, Timers& timers)
    : ProviderDecorator(std::move(next)),
      limits_(limits()),
      max_queued_bytes_(max_queued_bytes),
      timers_(timers),
      concurrency_(limits_.calls == 0 ? kDefaultCalls : limits_.calls) {}

void BatchingProvider::Start(const EmbedCall& call, EmbedDone done) {
  if (call.texts.empty()) return done({});
  const auto waiting = std::make_shared<Waiting>(call, std::move(done));
  if (!Add(waiting)) {
    return waiting->done(FailAll(
        call.texts.size(),
        WithRetryDelay(
            MakeError(absl::StatusCode::kResourceExhausted,
                      common::v1::ERROR_REASON_OVERLOADED,
                      absl::StrCat("model ", model().name, ": more than ",
                                   max_queued_bytes_,
                                   " bytes of text wait for it; retry later"),
                      {{"model", model().name}}),
            kFullDelay)));
  }
  Pump();
}

bool BatchingProvider::Add(const std::shared_ptr<Waiting>& waiting) {
  const EmbedCall& call = waiting->call;
  size_t bytes = 0;
  for (const absl::string_view text : call.texts) bytes += text.size();
  const absl::Time now = timers_.clock().Now();
  absl::MutexLock lock(&mutex_);
  if (queued_bytes_ > 0 && queued_bytes_ + bytes > max_queued_bytes_) {
    return false;
  }
  queued_bytes_ += bytes;
  Queue& queue = QueueFor(call);
  for (size_t i = 0; i < call.texts.size(); ++i) {
    queue.items.push_back({waiting, i, SizeOf(call.texts[i], limits_), now});
    queue.size += queue.items.back().size;
  }
  return true;
}

BatchingProvider::Queue& BatchingProvider::QueueFor(const EmbedCall& call) {
  for (Queue& queue : queues_) {
    if (queue.purpose == call.purpose && queue.query == call.query) {
      return queue;
    }
  }
  Queue queue = {.purpose = call.purpose, .query = std::string(call.query)};
  if (IsQuery(call.purpose)) {
    const auto documents = std::find_if(
        queues_.begin(), queues_.end(),
        [](const Queue& other) { return !IsQuery(other.purpose); });
    return *queues_.insert(documents, std::move(queue));
  }
  queues_.push_back(std::move(queue));
  return queues_.back();
}

BatchingProvider::~BatchingProvider() {
  const auto is_at_rest = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !is_pumping_ && !is_timer_set_;
  };
  absl::MutexLock lock(&mutex_);
  if (is_timer_set_ && timers_.Cancel(timer_)) is_timer_set_ = false;
  mutex_.Await(absl::Condition(&is_at_rest));
}

void BatchingProvider::Pump() {
  {
    absl::MutexLock lock(&mutex_);
    if (!BeginPump()) return;
  }
  RunPump();
}

void BatchingProvider::OnTimer() {
  {
    absl::MutexLock lock(&mutex_);
    is_timer_set_ = false;
    if (!BeginPump()) return;
  }
  RunPump();
}

bool BatchingProvider::BeginPump() {
  pump_again_ = true;
  // One thread at a time: a provider that fails at once would call back here
  // ever deeper.
  return !std::exchange(is_pumping_, true);
}

void BatchingProvider::RunPump() {
  while (BeginRound()) {
    std::vector<Item> dropped;
    const auto batch = Take(dropped);
    for (const Item& item : dropped) {
      Deliver(item,
              absl::CancelledError("the caller left before the text was sent"));
    }
    if (batch != nullptr) Send(batch);
  }
}

bool BatchingProvider::BeginRound() {
  absl::MutexLock lock(&mutex_);
  is_pumping_ = pump_again_;
  pump_again_ = false;
  return is_pumping_;
}

bool BatchingProvider::MaySend(const Queue& queue, absl::Time now) {
  const int most = limits_.calls == 0 ? kDefaultCalls : limits_.calls;
  const bool is_query = IsQuery(queue.purpose);
  const int kept_for_queries = !is_query && most > 1 ? 1 : 0;
  const int under_way = under_way_[0] + under_way_[1];
  if (under_way + kept_for_queries >= most) return false;
  if (queue.size.Fills(limits_)) return true;
  if (under_way_[is_query] >= concurrency_.value()) return false;
  const absl::Time when = queue.items.front().came + kWindow;
  if (under_way == 0 || now >= when) return true;
  if (!std::exchange(is_timer_set_, true)) {
    timer_ = timers_.RunAt(when, [this] { OnTimer(); });
  }
  return false;
}

std::shared_ptr<BatchingProvider::Batch> BatchingProvider::Take(
    std::vector<Item>& dropped) {
  const absl::Time now = timers_.clock().Now();
  absl::MutexLock lock(&mutex_);
  auto queue = queues_.begin();
  while (queue != queues_.end() && !MaySend(*queue, now)) ++queue;
  if (queue == queues_.end()) return nullptr;
  // There may be more.
  pump_again_ = true;
  auto batch = std::make_shared<Batch>();
  batch->call.purpose = queue->purpose;
  std::vector<std::shared_ptr<Caller>> callers;
  CallSize size;
  while (!queue->items.empty()) {
    Item& item = queue->items.front();
    const EmbedCall& call = item.call->call;
    const absl::string_view text = call.texts[item.place];
    const bool is_wanted = call.caller->StillWaits(now).ok();
    if (is_wanted) {
      size += item.size;
      if (!size.Fits(limits_) && !batch->items.empty()) break;
      batch->texts.push_back(text);
      // All have the same; this one is valid for as long as the batch.
      batch->call.query = call.query;
      if (callers.empty() || callers.back() != call.caller) {
        callers.push_back(call.caller);
      }
    }
    queued_bytes_ -= text.size();
    queue->size -= item.size;
    (is_wanted ? batch->items : dropped).push_back(std::move(item));
    queue->items.pop_front();
  }
  if (queue->items.empty()) queues_.erase(queue);
  if (batch->items.empty()) return nullptr;
  batch->call.texts = batch->texts;
  batch->call.caller = Caller::AllOf(std::move(callers));
  ++under_way_[IsQuery(batch->call.purpose)];
  batch->under_way = under_way_[0] + under_way_[1];
  batch->number = ++sent_;
  batch->start = now;
  return batch;
}

void BatchingProvider::Send(const std::shared_ptr<Batch>& batch) {
  next().Start(batch->call, [this, batch](std::vector<EmbedResult> results) {
    Finish(*batch, std::move(results));
  });
}

void BatchingProvider::Finish(Batch& batch, std::vector<EmbedResult> results) {
  {
    const absl::Time now = timers_.clock().Now();
    absl::MutexLock lock(&mutex_);
    --under_way_[IsQuery(batch.call.purpose)];
    // One that was not alone to its end may have been overtaken.
    const bool is_clear = batch.under_way > 1 || batch.number == sent_;
    if (results.front().ok() && is_clear) {
      concurrency_.Learn(batch.items.size(), batch.under_way,
                         now - batch.start);
    }
  }
  Pump();
  // Last: a caller may end this object when it has its answer.
  for (size_t i = 0; i < batch.items.size(); ++i) {
    Deliver(batch.items[i], std::move(results[i]));
  }
}

void BatchingProvider::Deliver(const Item& item, EmbedResult result) {
  Waiting& call = *item.call;
  call.results[item.place] = std::move(result);
  if (--call.missing == 0) call.done(std::move(call.results));
}

}  // namespace engram::embedding
