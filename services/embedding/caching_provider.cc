#include "services/embedding/caching_provider.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace engram::embedding {
namespace {

// Of a text whose result has not come yet; never told to anybody.
absl::Status Missing() { return absl::UnknownError(""); }

absl::Status ShutDown() {
  return absl::CancelledError("embedding is shutting down");
}

prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const Model& model, const char* outcome) {
  return prometheus::BuildCounter()
      .Name("engram_embedding_cache_texts_total")
      .Help(
          "Texts that were asked for: a hit had its vector at hand, a join "
          "waited for one that was on its way, a miss was sent.")
      .Register(registry)
      .Add({{"provider", model.provider},
            {"model", model.name},
            {"outcome", outcome}});
}

}  // namespace

// All that changes is guarded by the provider's lock, but for `is_answered`.
struct CachingProvider::Waiting {
  Waiting(const EmbedCall& call, EmbedDone done)
      : call(call),
        results(call.texts.size(), Missing()),
        missing(call.texts.size()),
        done(std::move(done)) {}

  // Its texts are valid until it is answered.
  const EmbedCall call;
  std::vector<EmbedResult> results;
  size_t missing;
  EmbedDone done;
  // Those it waits for.
  std::vector<GroupPtr> groups;
  Timers::Id timer = 0;
  Caller::HookId hook = 0;
  // Set by the one that answers it.
  std::atomic<bool> is_answered = false;
};

struct CachingProvider::Flight {
  VectorKey key;
  // A copy: those who wait may leave.
  std::string text;
  GroupPtr group;
  std::vector<std::pair<WaitingPtr, size_t>> waiters;
};

struct CachingProvider::Group {
  Purpose purpose = Purpose::kDocument;
  std::string query;
  std::vector<std::shared_ptr<Flight>> flights;
  std::vector<absl::string_view> texts;
  // Leaves when nobody waits for any of the texts.
  std::shared_ptr<Caller> caller;
  // How many calls wait for it that are not answered.
  size_t waiting = 0;
};

CachingProvider::CachingProvider(std::unique_ptr<Provider> next,
                                 VectorCache& cache, Timers& timers,
                                 prometheus::Registry& registry)
    : ProviderDecorator(std::move(next)),
      cache_(cache),
      timers_(timers),
      hits_(AddCounter(registry, model(), "hit")),
      joins_(AddCounter(registry, model(), "join")),
      misses_(AddCounter(registry, model(), "miss")) {}

CachingProvider::~CachingProvider() {
  CachingProvider::Shutdown();
  const auto is_at_rest = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return groups_ == 0 && waiting_.empty();
  };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&is_at_rest));
}

void CachingProvider::Shutdown() {
  std::vector<WaitingPtr> waiting;
  {
    absl::MutexLock lock(&mutex_);
    is_shut_down_ = true;
    waiting.assign(waiting_.begin(), waiting_.end());
  }
  for (const WaitingPtr& call : waiting) End(call, ShutDown());
  ProviderDecorator::Shutdown();
}

void CachingProvider::Start(const EmbedCall& call, EmbedDone done) {
  std::vector<VectorKey> keys;
  keys.reserve(call.texts.size());
  for (const absl::string_view text : call.texts) {
    keys.push_back(
        MakeVectorKey(model().fingerprint, call.purpose, call.query, text));
  }
  const auto waiting = std::make_shared<Waiting>(call, std::move(done));
  const GroupPtr group = Board(waiting, keys);
  if (waiting->is_answered) return waiting->done(std::move(waiting->results));
  Watch(waiting);
  if (group != nullptr) Send(group);
}

CachingProvider::GroupPtr CachingProvider::Board(
    const WaitingPtr& waiting, const std::vector<VectorKey>& keys) {
  const EmbedCall& call = waiting->call;
  auto group = std::make_shared<Group>();
  group->purpose = call.purpose;
  group->query = std::string(call.query);
  group->caller = std::make_shared<Caller>(call.caller->deadline());
  absl::MutexLock lock(&mutex_);
  if (is_shut_down_) {
    waiting->results = FailAll(keys.size(), ShutDown());
    waiting->is_answered = true;
    return nullptr;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto flight = flights_.find(keys[i]);
    if (flight != flights_.end()) {
      joins_.Increment();
      Join(waiting, i, *flight->second);
    } else if (auto cached = cache_.Get(keys[i])) {
      hits_.Increment();
      waiting->results[i] = *std::move(cached);
      --waiting->missing;
    } else {
      misses_.Increment();
      auto sent = std::make_shared<Flight>();
      sent->key = keys[i];
      sent->text = std::string(call.texts[i]);
      sent->group = group;
      group->flights.push_back(sent);
      group->texts.push_back(sent->text);
      Join(waiting, i, *sent);
      flights_.emplace(keys[i], std::move(sent));
    }
  }
  if (waiting->missing == 0) {
    waiting->is_answered = true;
    return nullptr;
  }
  waiting_.insert(waiting);
  if (group->flights.empty()) return nullptr;
  ++groups_;
  return group;
}

void CachingProvider::Join(const WaitingPtr& waiting, size_t place,
                           Flight& flight) {
  flight.waiters.emplace_back(waiting, place);
  auto& groups = waiting->groups;
  if (std::find(groups.begin(), groups.end(), flight.group) != groups.end()) {
    return;
  }
  groups.push_back(flight.group);
  ++flight.group->waiting;
  flight.group->caller->Extend(waiting->call.caller->deadline());
}

void CachingProvider::Watch(const WaitingPtr& waiting) {
  const std::shared_ptr<Caller>& caller = waiting->call.caller;
  const auto hook = caller->OnLeave([this, waiting] {
    End(waiting, absl::CancelledError("the caller has gone"));
  });
  Timers::Id timer = 0;
  if (caller->deadline() != absl::InfiniteFuture()) {
    timer = timers_.RunAt(caller->deadline(), [this, waiting] {
      End(waiting, absl::DeadlineExceededError(
                       "the vectors did not come before the call's deadline"));
    });
  }
  {
    absl::MutexLock lock(&mutex_);
    if (!waiting->is_answered) {
      waiting->hook = hook;
      waiting->timer = timer;
      return;
    }
  }
  // It was too late to be told.
  caller->Forget(hook);
  timers_.Cancel(timer);
}

void CachingProvider::Send(const GroupPtr& group) {
  next().Start({.texts = group->texts,
                .purpose = group->purpose,
                .query = group->query,
                .caller = group->caller},
               [this, group](std::vector<EmbedResult> results) {
                 Land(*group, std::move(results));
               });
}

void CachingProvider::Land(const Group& group,
                           std::vector<EmbedResult> results) {
  Timers& timers = timers_;
  std::vector<WaitingPtr> ready;
  GroupPtr again;
  {
    absl::MutexLock lock(&mutex_);
    again = Reboard(group, results);
    for (size_t i = 0; i < results.size(); ++i) {
      Flight& flight = *group.flights[i];
      if (flight.group == again && again != nullptr) continue;
      EmbedResult& result = results[i];
      // Before the flight ends, so that nobody finds neither.
      if (result.ok()) {
        EmbeddedText kept = *result;
        kept.spent = {};
        cache_.Put(flight.key, kept);
      }
      flights_.erase(flight.key);
      for (auto& [waiting, place] : flight.waiters) {
        if (waiting->is_answered) continue;
        waiting->results[place] = result;
        // The first one pays.
        if (result.ok()) result->spent = {};
        if (--waiting->missing > 0 || waiting->is_answered.exchange(true)) {
          continue;
        }
        waiting_.erase(waiting);
        ready.push_back(waiting);
      }
      // They hold each other.
      flight.waiters.clear();
      flight.group = nullptr;
    }
    if (again == nullptr) --groups_;
  }
  // From here on this object may end, unless there is another group.
  if (again != nullptr) Send(again);
  for (const WaitingPtr& waiting : ready) Answer(timers, waiting);
}

CachingProvider::GroupPtr CachingProvider::Reboard(
    const Group& group, const std::vector<EmbedResult>& results) {
  // Somebody else cancelled it: whoever shuts down.
  if (is_shut_down_ || group.caller->StillWaits(timers_.clock().Now()).ok()) {
    return nullptr;
  }
  auto again = std::make_shared<Group>();
  again->purpose = group.purpose;
  again->query = group.query;
  again->caller = std::make_shared<Caller>(absl::InfinitePast());
  for (size_t i = 0; i < results.size(); ++i) {
    const std::shared_ptr<Flight>& flight = group.flights[i];
    if (!absl::IsCancelled(results[i].status())) continue;
    auto waiters = std::move(flight->waiters);
    flight->waiters.clear();
    const GroupPtr before = std::exchange(flight->group, again);
    for (auto& [waiting, place] : waiters) {
      if (!waiting->is_answered) Join(waiting, place, *flight);
    }
    if (flight->waiters.empty()) {
      flight->group = before;
      continue;
    }
    again->flights.push_back(flight);
    again->texts.push_back(flight->text);
  }
  return again->flights.empty() ? nullptr : again;
}

void CachingProvider::End(const WaitingPtr& waiting,
                          const absl::Status& error) {
  if (waiting->is_answered.exchange(true)) return;
  Timers& timers = timers_;
  std::vector<std::shared_ptr<Caller>> left;
  {
    absl::MutexLock lock(&mutex_);
    for (const GroupPtr& group : waiting->groups) {
      if (--group->waiting == 0) left.push_back(group->caller);
    }
    for (EmbedResult& result : waiting->results) {
      if (absl::IsUnknown(result.status())) result = error;
    }
  }
  for (const auto& caller : left) caller->Leave();
  {
    absl::MutexLock lock(&mutex_);
    waiting_.erase(waiting);
  }
  // From here on this object may end.
  Answer(timers, waiting);
}

void CachingProvider::Answer(Timers& timers, const WaitingPtr& waiting) {
  timers.Cancel(waiting->timer);
  waiting->call.caller->Forget(waiting->hook);
  waiting->groups.clear();
  waiting->done(std::move(waiting->results));
}

}  // namespace engram::embedding
