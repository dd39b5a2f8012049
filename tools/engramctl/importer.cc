#include "tools/engramctl/importer.h"

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/connection.h"
#include "tools/engramctl/field_text.h"

namespace engram::engramctl {
namespace {

using schema::CollectionSpec;
using schema::FieldSpec;
using storage::v1::Record;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;
using storage::v1::WriteResult;

constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryDelay = absl::Seconds(5);
// Batches that may wait for an earlier one to be committed, for each thread:
// they stay in memory, and are sent again if the import is interrupted.
constexpr int kUncommittedBatches = 8;

// FNV-1a. It has to notice a file that was edited, not an attack.
uint64_t AddToHash(uint64_t hash, absl::string_view text) {
  constexpr uint64_t kPrime = 0x100000001b3;
  for (const char c : text) {
    hash = (hash ^ static_cast<uint8_t>(c)) * kPrime;
  }
  return (hash ^ '\n') * kPrime;
}

// "items[12].upsert.fields.size" without what only the request says.
absl::string_view FieldPath(absl::string_view path) {
  absl::string_view rest = path;
  if (!absl::ConsumePrefix(&rest, "items[")) return path;
  const size_t end = rest.find(']');
  if (end == absl::string_view::npos) return path;
  rest.remove_prefix(end + 1);
  absl::ConsumePrefix(&rest, ".");
  absl::ConsumePrefix(&rest, "upsert.");
  return rest;
}

// Every broken rule of an item, or else its error's message.
std::string ReasonText(const google::rpc::Status& error) {
  std::string text;
  for (const auto& detail : error.details()) {
    google::rpc::BadRequest bad_request;
    if (!detail.UnpackTo(&bad_request)) continue;
    for (const auto& violation : bad_request.field_violations()) {
      absl::StrAppend(&text, text.empty() ? "" : "; ",
                      FieldPath(violation.field()), ": ",
                      violation.description());
    }
  }
  if (!text.empty()) return text;
  return error.message().empty() ? "storage refused it" : error.message();
}

bool MayRepeat(const absl::Status& status) {
  return IsUnreachable(status) || RetryDelayOf(status).has_value();
}

}  // namespace

struct Importer::Batch {
  // Where the item at the same place of `request` comes from.
  struct Origin {
    int64_t line = 0;
    std::string text;
  };

  bool empty() const { return origins.empty() && rejects.empty(); }

  int64_t index = 0;
  WriteRequest request;
  std::vector<Origin> origins;
  int64_t message_bytes = 0;
  std::vector<std::string> written_keys;
  std::vector<std::string> referred_keys;
  // Up to the batch's last record.
  int64_t line = 0;
  int64_t bytes = 0;
  uint64_t hash = 0;
  // What became of it.
  std::vector<RejectedRecord> rejects;
  int64_t stored = 0;
  std::string position;
};

Importer::Importer(ImportOptions options, ImportStart start,
                   const CollectionSpec& spec, Write write, Commit commit)
    : options_(std::move(options)),
      start_(std::move(start)),
      spec_(spec),
      unique_keys_(spec.UniqueKeys()),
      write_(std::move(write)),
      commit_(std::move(commit)),
      hash_(0),
      result_(start_.done) {}

Importer::~Importer() = default;

absl::Status Importer::Run(
    RecordSource& source,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  RETURN_IF_ERROR(WithContext(SkipDone(source), options_.input_name));
  std::vector<std::thread> workers;
  workers.reserve(options_.in_flight);
  for (int i = 0; i < options_.in_flight; ++i) {
    workers.emplace_back([this] { RunWorker(); });
  }
  const absl::Status read = ReadAll(source, on_progress);
  Drain(on_progress);
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& worker : workers) worker.join();
  absl::MutexLock lock(&mutex_);
  // What cannot be read comes after all that was sent.
  NoteFailure(next_batch_, WithContext(read, options_.input_name));
  return failure_;
}

ImportResult Importer::result() const {
  absl::MutexLock lock(&mutex_);
  return result_;
}

absl::Status Importer::SkipDone(RecordSource& source) {
  const ImportResult& done = start_.done;
  while (source.bytes() < done.bytes) {
    ASSIGN_OR_RETURN(const bool more, source.Next());
    if (!more) break;
    hash_ = AddToHash(hash_, source.text());
  }
  if (done.bytes == 0 || (source.bytes() == done.bytes && hash_ == done.hash)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "is not what it was up to line ", done.line,
      ", where the import stopped; remove the state file to begin again"));
}

absl::Status Importer::ReadAll(
    RecordSource& source,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  auto batch = std::make_unique<Batch>();
  absl::Status status;
  while (true) {
    const absl::StatusOr<bool> more = source.Next();
    status = more.status();
    if (!more.ok() || !*more) break;
    AddRecord(source, *batch);
    if (batch->origins.size() + batch->rejects.size() <
            options_.batch_records &&
        batch->message_bytes < options_.batch_bytes) {
      continue;
    }
    if (!Dispatch(std::move(batch), on_progress)) return absl::OkStatus();
    batch = std::make_unique<Batch>();
  }
  if (!batch->empty()) Dispatch(std::move(batch), on_progress);
  return status;
}

void Importer::AddRecord(RecordSource& source, Batch& batch) {
  hash_ = AddToHash(hash_, source.text());
  auto* item = batch.request.add_items();
  item->set_collection(options_.collection);
  const absl::Status status = ReadRecord(source, *item->mutable_upsert());
  if (status.ok()) {
    AddKeys(item->upsert(), batch);
    batch.origins.push_back({source.line(), std::string(source.text())});
    batch.message_bytes += static_cast<int64_t>(item->ByteSizeLong());
  } else {
    batch.request.mutable_items()->RemoveLast();
    batch.rejects.push_back({source.line(), std::string(status.message()),
                             std::string(source.text())});
    batch.message_bytes += static_cast<int64_t>(source.text().size());
  }
  batch.line = source.line();
  batch.bytes = source.bytes();
  batch.hash = hash_;
}

absl::Status Importer::ReadRecord(RecordSource& source, Record& record) {
  google::protobuf::Struct& fields = *record.mutable_fields();
  RETURN_IF_ERROR(source.Read(&fields));
  const auto id = fields.fields().find(options_.id_field);
  if (id == fields.fields().end()) return absl::OkStatus();
  absl::StatusOr<std::string> read = IdOf(id->second);
  if (!read.ok()) return WithContext(read.status(), options_.id_field);
  record.set_id(*std::move(read));
  fields.mutable_fields()->erase(options_.id_field);
  return absl::OkStatus();
}

void Importer::AddKeys(const Record& record, Batch& batch) const {
  const auto& fields = record.fields().fields();
  if (!record.id().empty()) {
    batch.written_keys.push_back(absl::StrCat("id:", record.id()));
  }
  for (size_t i = 0; i < unique_keys_.size(); ++i) {
    std::string key = absl::StrCat("key ", i, ":");
    bool has_part = false;
    for (const int place : unique_keys_[i]) {
      const auto value = fields.find(spec_.fields[place].name);
      key.push_back(' ');
      if (value == fields.end()) continue;
      has_part = true;
      json::AppendJson(value->second, &key);
    }
    if (!has_part && !record.id().empty()) continue;
    // Of a field that ignores case; two others at most wait needlessly.
    batch.written_keys.push_back(absl::AsciiStrToLower(key));
  }
  for (const FieldSpec& field : spec_.fields) {
    if (field.type != schema::FieldType::kRef || field.target != spec_.name) {
      continue;
    }
    const auto value = fields.find(field.name);
    if (value == fields.end()) continue;
    batch.referred_keys.push_back(
        absl::StrCat("id:", value->second.string_value()));
  }
}

bool Importer::Dispatch(
    std::unique_ptr<Batch> batch,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  batch->index = next_batch_++;
  batch->request.set_database(options_.database);
  batch->request.set_atomic(false);
  // With the hash, as what was edited since is another request.
  batch->request.set_request_id(absl::StrCat(start_.run_id, "-", batch->line,
                                             "-", absl::Hex(batch->hash)));
  on_progress(result());
  const auto may_send = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return MaySend(*batch);
  };
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&may_send),
                                  kProgressInterval)) {
        if (!failure_.ok()) return false;
        busy_keys_.insert(batch->written_keys.begin(),
                          batch->written_keys.end());
        waiting_.push_back(std::move(batch));
        return true;
      }
    }
    on_progress(result());
  }
}

bool Importer::MaySend(const Batch& batch) const {
  if (!failure_.ok()) return true;
  if (waiting_.size() + under_way_ >= options_.in_flight) return false;
  if (sent_.size() >= kUncommittedBatches * options_.in_flight) return false;
  const auto is_busy = [&](const std::string& key)
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                             return busy_keys_.contains(key);
                           };
  return std::none_of(batch.written_keys.begin(), batch.written_keys.end(),
                      is_busy) &&
         std::none_of(batch.referred_keys.begin(), batch.referred_keys.end(),
                      is_busy);
}

void Importer::Drain(absl::FunctionRef<void(const ImportResult&)> on_progress) {
  const auto is_idle = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return under_way_ == 0 && (waiting_.empty() || !failure_.ok());
  };
  bool idle = false;
  while (!idle) {
    ImportResult so_far;
    {
      absl::MutexLock lock(&mutex_);
      idle =
          mutex_.AwaitWithTimeout(absl::Condition(&is_idle), kProgressInterval);
      so_far = result_;
    }
    on_progress(so_far);
  }
}

void Importer::RunWorker() {
  const auto may_go_on = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (failure_.ok() && !waiting_.empty());
  };
  while (true) {
    std::unique_ptr<Batch> batch;
    {
      absl::MutexLock lock(&mutex_, absl::Condition(&may_go_on));
      if (stopping_) return;
      batch = std::move(waiting_.front());
      waiting_.pop_front();
      ++under_way_;
    }
    absl::Status status;
    if (!batch->origins.empty()) status = Send(batch->request, 0, *batch);
    batch->request.Clear();
    Finish(std::move(batch), status);
  }
}

absl::Status Importer::Send(const WriteRequest& request, int first_item,
                            Batch& batch) {
  const absl::StatusOr<WriteResponse> response = WriteWithRetries(request);
  if (!response.ok()) {
    if (!IsTooLarge(response.status())) return response.status();
    if (request.items_size() > 1) return SendHalves(request, first_item, batch);
    Batch::Origin& origin = batch.origins[first_item];
    batch.rejects.push_back({origin.line,
                             std::string(response.status().message()),
                             std::move(origin.text)});
    return absl::OkStatus();
  }
  if (response->results_size() != request.items_size()) {
    return absl::InternalError(
        absl::StrCat("storage answered ", request.items_size(),
                     " records with ", response->results_size(), " results"));
  }
  for (int i = 0; i < response->results_size(); ++i) {
    const WriteResult& result = response->results(i);
    if (result.outcome() != WriteResult::OUTCOME_FAILED) {
      ++batch.stored;
      continue;
    }
    Batch::Origin& origin = batch.origins[first_item + i];
    batch.rejects.push_back(
        {origin.line, ReasonText(result.error()), std::move(origin.text)});
  }
  batch.position = response->position();
  return absl::OkStatus();
}

absl::Status Importer::SendHalves(const WriteRequest& request, int first_item,
                                  Batch& batch) {
  const int middle = request.items_size() / 2;
  WriteRequest half = request;
  absl::StrAppend(half.mutable_request_id(), "a");
  half.mutable_items()->DeleteSubrange(middle, request.items_size() - middle);
  RETURN_IF_ERROR(Send(half, first_item, batch));
  half = request;
  absl::StrAppend(half.mutable_request_id(), "b");
  half.mutable_items()->DeleteSubrange(0, middle);
  return Send(half, first_item + middle, batch);
}

absl::StatusOr<WriteResponse> Importer::WriteWithRetries(
    const WriteRequest& request) {
  std::mt19937_64 random(std::random_device{}());
  const absl::Time give_up = absl::Now() + options_.retry_for;
  absl::Duration delay = options_.first_retry_delay;
  while (true) {
    absl::StatusOr<WriteResponse> response = write_(request);
    if (response.ok() || !MayRepeat(response.status())) return response;
    // Between half of the delay and all of it, so that the threads do not all
    // come back at once.
    std::uniform_real_distribution<double> jitter(0.5, 1.0);
    absl::Duration wait = delay * jitter(random);
    wait = std::max(wait, RetryDelayOf(response.status()).value_or(wait));
    if (absl::Now() + wait > give_up) return response;
    absl::SleepFor(wait);
    delay = std::min(delay * 2, kMaxRetryDelay);
    absl::MutexLock lock(&mutex_);
    ++result_.retries;
  }
}

void Importer::Finish(std::unique_ptr<Batch> batch,
                      const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& key : batch->written_keys) busy_keys_.erase(key);
  --under_way_;
  if (!status.ok()) {
    NoteFailure(
        batch->index,
        WithContext(status, absl::StrCat(options_.input_name, ": lines ",
                                         batch->origins.front().line, " to ",
                                         batch->origins.back().line)));
    return;
  }
  sent_.emplace(batch->index, std::move(batch));
  while (!sent_.empty() && sent_.begin()->first == next_commit_) {
    CommitNext(*sent_.begin()->second);
    sent_.erase(sent_.begin());
  }
}

void Importer::CommitNext(Batch& batch) {
  ImportResult done = result_;
  done.records += batch.stored;
  done.rejected += static_cast<int64_t>(batch.rejects.size());
  done.line = batch.line;
  done.bytes = batch.bytes;
  done.hash = batch.hash;
  // Answers do not come in the order of the commits.
  const absl::StatusOr<Position> parsed = Position::Parse(batch.position);
  if (parsed.ok() && (parsed->epoch != position_.epoch ||
                      parsed->sequence > position_.sequence)) {
    position_ = *parsed;
    done.position = batch.position;
  }
  std::sort(batch.rejects.begin(), batch.rejects.end(),
            [](const RejectedRecord& a, const RejectedRecord& b) {
              return a.line < b.line;
            });
  const absl::Status status = commit_(batch.rejects, done);
  if (!status.ok()) {
    // It stays the next one, so nothing after it is committed either.
    NoteFailure(batch.index, status);
    return;
  }
  result_ = done;
  ++next_commit_;
}

void Importer::NoteFailure(int64_t batch, const absl::Status& status) {
  if (status.ok() || (!failure_.ok() && failed_batch_ <= batch)) return;
  failure_ = status;
  failed_batch_ = batch;
}

}  // namespace engram::engramctl
