#include "services/embedding/outbox_worker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::embedding {
namespace {

using storage::v1::EmbeddingUsage;
using storage::v1::FailureReport;
using storage::v1::FailureResult;
using storage::v1::LeasePendingRequest;
using storage::v1::LeasePendingResponse;
using storage::v1::OutboxEntry;
using storage::v1::PutResult;
using storage::v1::PutVectorsRequest;
using storage::v1::PutVectorsResponse;
using storage::v1::ReportFailureRequest;
using storage::v1::ReportFailureResponse;
using storage::v1::VectorPut;

// Long enough for a rate limit of a few calls a minute; the lease is kept.
constexpr absl::Duration kEmbedPatience = absl::Minutes(10);
// Half of what a server accepts in one message by default. A put of many chunks
// may be larger and goes alone; MaxChunks bounds it.
constexpr size_t kMaxMessageBytes = 2 << 20;
constexpr int kMaxPuts = 4096;
// Of a provider's words; storage keeps no more.
constexpr size_t kMaxReportBytes = 1024;
// So that they fit into a message.
constexpr int kMaxReports = 1000;

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

// Whether storage may take the same message later. Sending twice is safe.
bool IsWorthRepeating(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsAborted(status);
}

// What is before the slash of a model's name.
std::string ProviderOf(absl::string_view model) {
  return std::string(model.substr(0, model.find('/')));
}

FailureReport MakeReport(const OutboxEntry& entry, const absl::Status& status) {
  FailureReport report;
  report.set_database(entry.database());
  report.set_entry(entry.entry());
  report.set_generation(entry.generation());
  report.set_content_hash(entry.content_hash());
  report.set_reason(absl::IsInvalidArgument(status)
                        ? storage::v1::FAILURE_REASON_TEXT_REFUSED
                        : storage::v1::FAILURE_REASON_ANSWER_UNUSABLE);
  report.set_message(CutText(status.message(), kMaxReportBytes));
  return report;
}

// What the texts of an entry made the provider do.
EmbeddingUsage UsageOf(absl::Span<const EmbedResult> results) {
  EmbeddingUsage usage;
  double cost_usd = 0;
  for (const EmbedResult& result : results) {
    if (!result.ok()) continue;
    const Spent& spent = result->spent;
    usage.set_requests(usage.requests() + spent.requests);
    usage.set_texts(usage.texts() + (spent.tokens > 0 ? 1 : 0));
    usage.set_tokens(usage.tokens() + spent.tokens);
    cost_usd += spent.cost_usd;
  }
  usage.set_cost_nanousd(std::llround(cost_usd * 1e9));
  return usage;
}

// The first error that is a text's own fault, if there is one.
absl::Status FaultOf(absl::Span<const EmbedResult> results) {
  for (const EmbedResult& result : results) {
    if (IsTextsFault(result.status())) return result.status();
  }
  return absl::OkStatus();
}

// The first error that is the provider's.
absl::Status FailureOf(absl::Span<const EmbedResult> results) {
  for (const EmbedResult& result : results) {
    if (!result.ok() && !IsTextsFault(result.status())) return result.status();
  }
  return absl::OkStatus();
}

}  // namespace

OutboxWorker::OutboxWorker(Provider& provider, StorageClient& storage,
                           ModelRegistrar& registrar, LeaseKeeper& keeper,
                           OutboxWorkerSettings settings,
                           prometheus::Registry& registry)
    : provider_(provider),
      storage_(storage),
      registrar_(registrar),
      keeper_(keeper),
      settings_(std::move(settings)),
      max_entries_(
          provider.limits().texts == 0
              ? settings_.max_entries
              : std::min(settings_.max_entries, provider.limits().texts)),
      provider_name_(ProviderOf(provider.model().name)),
      stored_(AddCounter(registry, "engram_embedding_vectors_stored_total",
                         "Outbox entries whose vectors storage took.")),
      dropped_(AddCounter(registry, "engram_embedding_vectors_dropped_total",
                          "Outbox entries whose vectors came too late: the "
                          "text had changed or the record was deleted.")),
      failed_(AddCounter(registry, "engram_embedding_texts_failed_total",
                         "Outbox entries that became failures: see engramctl "
                         "embed failures.")),
      postponed_(AddCounter(registry, "engram_embedding_texts_postponed_total",
                            "Outbox entries whose text the provider failed at, "
                            "which are tried again later.")) {}

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
  if (leased.entries().empty()) return absl::OkStatus();
  LeaseKeeper::Hold hold(keeper_, leased);
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
  const absl::Status status = Embed(entries, hold);
  if (!status.ok()) hold.GiveBack();
  return status;
}

absl::StatusOr<LeasePendingResponse> OutboxWorker::Lease() {
  LeasePendingRequest request;
  request.set_holder(settings_.holder);
  request.add_fingerprints(provider_.model().fingerprint);
  request.set_provider(provider_name_);
  request.set_max_entries(max_entries_);
  SetDuration(settings_.wait, *request.mutable_wait());
  SetDuration(settings_.lease, *request.mutable_lease());
  return storage_.LeasePending(request);
}

absl::Status OutboxWorker::Embed(const Entries& entries,
                                 LeaseKeeper::Hold& hold) {
  std::vector<ChunkedEntry> together;
  size_t texts = 0;
  for (const OutboxEntry* const entry : entries) {
    // It would be paid for twice.
    if (hold.IsLost(*entry)) continue;
    auto cut = ChunkedEntry::Create(*entry, provider_);
    if (!cut.ok()) {
      log::Warning("text cannot be cut into chunks; it stays in the outbox",
                   {{"database", entry->database()},
                    {"collection", entry->collection()},
                    {"record", entry->id()},
                    {"entry", entry->entry()},
                    {"error", cut.status()}});
      continue;
    }
    texts += cut->texts().size();
    together.push_back(*std::move(cut));
    // A text of many chunks is not divided: its vectors are stored at once.
    if (texts < static_cast<size_t>(max_entries_)) continue;
    RETURN_IF_ERROR(EmbedAndPut(together, hold));
    together.clear();
    texts = 0;
  }
  return EmbedAndPut(together, hold);
}

absl::Status OutboxWorker::EmbedAndPut(absl::Span<const ChunkedEntry> entries,
                                       LeaseKeeper::Hold& hold) {
  std::vector<absl::string_view> texts;
  for (const ChunkedEntry& entry : entries) {
    texts.insert(texts.end(), entry.texts().begin(), entry.texts().end());
  }
  std::vector<EmbedResult> embedded;
  if (!texts.empty()) {
    embedded = provider_.EmbedEach(texts, Purpose::kDocument,
                                   absl::Now() + kEmbedPatience);
  }
  absl::Status result = FailureOf(embedded);
  std::vector<VectorPut> puts;
  std::vector<FailureReport> reports;
  auto rest = absl::MakeSpan(embedded);
  for (const ChunkedEntry& entry : entries) {
    const auto own = rest.first(entry.texts().size());
    rest.remove_prefix(own.size());
    const EmbeddingUsage usage = UsageOf(own);
    const absl::Status fault = FaultOf(own);
    if (!fault.ok()) {
      *reports.emplace_back(MakeReport(entry.entry(), fault)).mutable_usage() =
          usage;
      continue;
    }
    std::vector<EmbeddedText> vectors;
    for (EmbedResult& text : own) {
      if (text.ok()) vectors.push_back(*std::move(text));
    }
    // The provider failed at the rest.
    if (vectors.size() < own.size()) continue;
    *puts.emplace_back(entry.MakePut(vectors)).mutable_usage() = usage;
  }
  result.Update(Put(std::move(puts), hold));
  result.Update(Report(std::move(reports), hold));
  return result;
}

absl::Status OutboxWorker::Put(std::vector<VectorPut> puts,
                               LeaseKeeper::Hold& hold) {
  PutVectorsRequest message;
  message.set_lease_id(hold.lease_id());
  message.set_provider(provider_name_);
  size_t bytes = 0;
  for (VectorPut& put : puts) {
    const size_t put_bytes = put.ByteSizeLong();
    if (message.puts_size() > 0 && (bytes + put_bytes > kMaxMessageBytes ||
                                    message.puts_size() == kMaxPuts)) {
      RETURN_IF_ERROR(PutMessage(message, hold));
      message.clear_puts();
      bytes = 0;
    }
    *message.add_puts() = std::move(put);
    bytes += put_bytes;
  }
  if (message.puts().empty()) return absl::OkStatus();
  return PutMessage(message, hold);
}

absl::Status OutboxWorker::PutMessage(const PutVectorsRequest& message,
                                      LeaseKeeper::Hold& hold) {
  const auto answer = CallPatiently(&StorageClient::PutVectors, message);
  if (absl::IsInvalidArgument(answer.status())) {
    return PutOneByOne(message, answer.status(), hold);
  }
  RETURN_IF_ERROR(answer.status());
  for (const VectorPut& put : message.puts()) {
    hold.Release(put.database(), put.entry());
  }
  for (const PutResult& result : answer->results()) {
    prometheus::Counter& counter =
        result.outcome() == PutResult::OUTCOME_STORED ? stored_ : dropped_;
    counter.Increment();
  }
  return absl::OkStatus();
}

absl::Status OutboxWorker::PutOneByOne(const PutVectorsRequest& message,
                                       const absl::Status& refusal,
                                       LeaseKeeper::Hold& hold) {
  if (message.puts_size() == 1) {
    const VectorPut& put = message.puts(0);
    FailureReport report;
    report.set_database(put.database());
    report.set_entry(put.entry());
    report.set_generation(put.generation());
    report.set_content_hash(put.content_hash());
    report.set_reason(storage::v1::FAILURE_REASON_ANSWER_UNUSABLE);
    report.set_message(CutText(refusal.message(), kMaxReportBytes));
    *report.mutable_usage() = put.usage();
    return Report({std::move(report)}, hold);
  }
  PutVectorsRequest one = message;
  for (const VectorPut& put : message.puts()) {
    one.clear_puts();
    *one.add_puts() = put;
    RETURN_IF_ERROR(PutMessage(one, hold));
  }
  return absl::OkStatus();
}

absl::Status OutboxWorker::Report(std::vector<FailureReport> reports,
                                  LeaseKeeper::Hold& hold) {
  ReportFailureRequest message;
  message.set_lease_id(hold.lease_id());
  message.set_provider(provider_name_);
  for (size_t i = 0; i < reports.size(); ++i) {
    *message.add_failures() = std::move(reports[i]);
    if (message.failures_size() < kMaxReports && i + 1 < reports.size()) {
      continue;
    }
    RETURN_IF_ERROR(ReportMessage(message, hold));
    message.clear_failures();
  }
  return absl::OkStatus();
}

absl::Status OutboxWorker::ReportMessage(const ReportFailureRequest& message,
                                         LeaseKeeper::Hold& hold) {
  ASSIGN_OR_RETURN(const ReportFailureResponse answer,
                   CallPatiently(&StorageClient::ReportFailure, message));
  for (int i = 0; i < answer.results_size(); ++i) {
    const FailureReport& report = message.failures(i);
    hold.Release(report.database(), report.entry());
    const bool has_failed =
        answer.results(i).outcome() == FailureResult::OUTCOME_FAILED;
    const bool waits =
        answer.results(i).outcome() == FailureResult::OUTCOME_RETRY;
    if (has_failed) failed_.Increment();
    if (waits) postponed_.Increment();
    if (!has_failed && !waits) continue;
    log::Warning(
        has_failed ? "text cannot be embedded" : "text is tried again later",
        {{"database", report.database()},
         {"entry", report.entry()},
         {"error", report.message()}});
  }
  return absl::OkStatus();
}

template <typename Request, typename Response>
absl::StatusOr<Response> OutboxWorker::CallPatiently(
    absl::StatusOr<Response> (StorageClient::*method)(const Request&),
    const Request& request) {
  // What was paid for is worth some patience.
  const absl::Time deadline = absl::Now() + settings_.lease;
  Backoff backoff(settings_.max_backoff);
  auto answer = (storage_.*method)(request);
  while (IsWorthRepeating(answer.status()) && absl::Now() < deadline) {
    storage_.Pause(backoff.Next());
    answer = (storage_.*method)(request);
  }
  return answer;
}

}  // namespace engram::embedding
