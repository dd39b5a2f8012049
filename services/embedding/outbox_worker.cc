#include "services/embedding/outbox_worker.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/embedding/chunked_entry.h"

namespace engram::embedding {
namespace {

using storage::v1::LeasePendingRequest;
using storage::v1::LeasePendingResponse;
using storage::v1::OutboxEntry;
using storage::v1::PutResult;
using storage::v1::PutVectorsRequest;
using storage::v1::VectorPut;

// Half of what a server accepts in one message by default. A put of many chunks
// may be larger and goes alone; MaxChunks bounds it.
constexpr size_t kMaxMessageBytes = 2 << 20;
constexpr int kMaxPuts = 4096;

prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const char* name, const char* help) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({});
}

void SetDuration(absl::Duration duration, google::protobuf::Duration& encoded) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  encoded.set_seconds(nanos / 1'000'000'000);
  encoded.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

void LogRefusal(const OutboxEntry& entry, const absl::Status& status) {
  log::Warning("text cannot be embedded; it stays in the outbox",
               {{"database", entry.database()},
                {"collection", entry.collection()},
                {"record", entry.id()},
                {"entry", entry.entry()},
                {"error", status}});
}

// Whether storage may take the same vectors later. Storing twice is safe.
bool IsWorthRepeating(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

}  // namespace

OutboxWorker::OutboxWorker(Provider& provider, StorageClient& storage,
                           ModelRegistrar& registrar,
                           OutboxWorkerSettings settings,
                           prometheus::Registry& registry)
    : provider_(provider),
      storage_(storage),
      registrar_(registrar),
      settings_(std::move(settings)),
      max_entries_(
          provider.limits().texts == 0
              ? settings_.max_entries
              : std::min(settings_.max_entries, provider.limits().texts)),
      stored_(AddCounter(registry, "engram_embedding_vectors_stored_total",
                         "Outbox entries whose vectors storage took.")),
      dropped_(AddCounter(registry, "engram_embedding_vectors_dropped_total",
                          "Outbox entries whose vectors came too late: the "
                          "text had changed or the record was deleted.")) {}

OutboxWorker::~OutboxWorker() {
  if (thread_.joinable()) thread_.join();
}

void OutboxWorker::Start() {
  thread_ = std::thread([this] { Run(); });
}

void OutboxWorker::Run() {
  Backoff backoff(settings_.max_backoff);
  while (!storage_.is_shut_down()) {
    // StorageClient or ObservedProvider has logged the error.
    if (RunOnce().ok()) {
      backoff.Reset();
    } else {
      storage_.Pause(backoff.Next());
    }
  }
}

absl::Status OutboxWorker::RunOnce() {
  RETURN_IF_ERROR(registrar_.EnsureRegistered());
  ASSIGN_OR_RETURN(const LeasePendingResponse leased, Lease());
  // Not the time that storage stated: its clock may differ.
  const absl::Time deadline = absl::Now() + settings_.lease;
  Entries entries;
  for (const OutboxEntry& entry : leased.entries()) {
    if (entry.fingerprint() == provider_.model().fingerprint) {
      entries.push_back(&entry);
    } else {
      log::Error("leased an entry that was not asked for",
                 {{"database", entry.database()},
                  {"entry", entry.entry()},
                  {"fingerprint", entry.fingerprint()}});
    }
  }
  return Embed(entries, deadline);
}

absl::StatusOr<LeasePendingResponse> OutboxWorker::Lease() {
  LeasePendingRequest request;
  request.set_holder(settings_.holder);
  request.add_fingerprints(provider_.model().fingerprint);
  request.set_max_entries(max_entries_);
  SetDuration(settings_.wait, *request.mutable_wait());
  SetDuration(settings_.lease, *request.mutable_lease());
  return storage_.LeasePending(request);
}

absl::Status OutboxWorker::Embed(const Entries& entries, absl::Time deadline) {
  std::vector<ChunkedEntry> together;
  size_t texts = 0;
  for (const OutboxEntry* const entry : entries) {
    auto cut = ChunkedEntry::Create(*entry, provider_);
    if (!cut.ok()) {
      LogRefusal(*entry, cut.status());
      continue;
    }
    texts += cut->texts().size();
    together.push_back(*std::move(cut));
    // A text of many chunks is not divided: its vectors are stored at once.
    if (texts < static_cast<size_t>(max_entries_)) continue;
    RETURN_IF_ERROR(EmbedAndPut(together, deadline));
    together.clear();
    texts = 0;
    // Others may have the rest by now; it would be paid for twice.
    if (absl::Now() >= deadline) return absl::OkStatus();
  }
  return EmbedAndPut(together, deadline);
}

absl::Status OutboxWorker::EmbedAndPut(absl::Span<const ChunkedEntry> entries,
                                       absl::Time deadline) {
  std::vector<VectorPut> puts;
  absl::Status result = EmbedTogether(entries, puts);
  result.Update(Put(std::move(puts), deadline));
  return result;
}

absl::Status OutboxWorker::EmbedTogether(absl::Span<const ChunkedEntry> entries,
                                         std::vector<VectorPut>& puts) {
  std::vector<absl::string_view> texts;
  for (const ChunkedEntry& entry : entries) {
    texts.insert(texts.end(), entry.texts().begin(), entry.texts().end());
  }
  std::vector<EmbeddedText> vectors;
  if (!texts.empty()) {
    auto embedded = provider_.Embed(texts, Purpose::kDocument);
    if (absl::IsInvalidArgument(embedded.status())) {
      return EmbedOneByOne(entries, embedded.status(), puts);
    }
    RETURN_IF_ERROR(embedded.status());
    vectors = *std::move(embedded);
  }
  absl::Span<const EmbeddedText> rest = vectors;
  for (const ChunkedEntry& entry : entries) {
    const size_t count = entry.texts().size();
    puts.push_back(entry.MakePut(rest.subspan(0, count)));
    rest.remove_prefix(count);
  }
  return absl::OkStatus();
}

absl::Status OutboxWorker::EmbedOneByOne(absl::Span<const ChunkedEntry> entries,
                                         const absl::Status& refusal,
                                         std::vector<VectorPut>& puts) {
  if (entries.size() == 1) {
    LogRefusal(entries[0].entry(), refusal);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    RETURN_IF_ERROR(EmbedTogether(entries.subspan(i, 1), puts));
  }
  return absl::OkStatus();
}

absl::Status OutboxWorker::Put(std::vector<VectorPut> puts,
                               absl::Time deadline) {
  PutVectorsRequest message;
  size_t bytes = 0;
  for (VectorPut& put : puts) {
    const size_t put_bytes = put.ByteSizeLong();
    if (message.puts_size() > 0 && (bytes + put_bytes > kMaxMessageBytes ||
                                    message.puts_size() == kMaxPuts)) {
      RETURN_IF_ERROR(PutMessage(message, deadline));
      message.Clear();
      bytes = 0;
    }
    *message.add_puts() = std::move(put);
    bytes += put_bytes;
  }
  if (message.puts().empty()) return absl::OkStatus();
  return PutMessage(message, deadline);
}

absl::Status OutboxWorker::PutMessage(const PutVectorsRequest& message,
                                      absl::Time deadline) {
  Backoff backoff(settings_.max_backoff);
  auto answer = storage_.PutVectors(message);
  while (IsWorthRepeating(answer.status()) && absl::Now() < deadline) {
    storage_.Pause(backoff.Next());
    answer = storage_.PutVectors(message);
  }
  RETURN_IF_ERROR(answer.status());
  for (const PutResult& result : answer->results()) {
    prometheus::Counter& counter =
        result.outcome() == PutResult::OUTCOME_STORED ? stored_ : dropped_;
    counter.Increment();
  }
  return absl::OkStatus();
}

}  // namespace engram::embedding
