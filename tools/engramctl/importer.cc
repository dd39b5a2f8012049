#include "tools/engramctl/importer.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "google/rpc/error_details.pb.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/connection.h"

namespace engram::engramctl {
namespace {

using storage::v1::Record;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;

constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);
constexpr absl::Duration kMaxRetryDelay = absl::Seconds(5);

std::string RandomId() {
  std::random_device random;
  return absl::StrFormat("import-%08x%08x", random(), random());
}

// Splits "items[12].upsert.fields.size" into 12 and "fields.size".
std::optional<int> ParseItemPath(absl::string_view path, std::string* rest) {
  if (!absl::ConsumePrefix(&path, "items[")) return std::nullopt;
  const size_t end = path.find(']');
  int index = 0;
  if (end == absl::string_view::npos ||
      !absl::SimpleAtoi(path.substr(0, end), &index) || index < 0) {
    return std::nullopt;
  }
  path.remove_prefix(end + 1);
  absl::ConsumePrefix(&path, ".");
  absl::ConsumePrefix(&path, "upsert.");
  *rest = std::string(path);
  return index;
}

google::rpc::BadRequest BadRequestOf(const absl::Status& status) {
  google::rpc::BadRequest bad_request;
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) bad_request.ParseFromString(std::string(*payload));
  return bad_request;
}

// The first item that `status` finds fault with; nullopt if it names none.
std::optional<int> FirstFaultyItem(const absl::Status& status, int items) {
  std::optional<int> first;
  std::string rest;
  const google::rpc::BadRequest bad_request = BadRequestOf(status);
  for (const auto& violation : bad_request.field_violations()) {
    const auto index = ParseItemPath(violation.field(), &rest);
    if (index.has_value() && *index < items) {
      first = std::min(first.value_or(*index), *index);
    }
  }
  return first;
}

bool MayRepeat(const absl::Status& status) {
  return IsUnreachable(status) || RetryDelay(status).has_value();
}

absl::Status ReadId(const google::protobuf::Value& value, Record& record) {
  if (value.has_string_value()) {
    record.set_id(value.string_value());
  } else if (value.has_number_value() &&
             std::trunc(value.number_value()) == value.number_value()) {
    // The parser has made strings of what is not exact as a number.
    record.set_id(absl::StrCat(static_cast<int64_t>(value.number_value())));
  } else {
    return absl::InvalidArgumentError("is no string and no whole number");
  }
  if (record.id().empty()) return absl::InvalidArgumentError("is empty");
  return absl::OkStatus();
}

}  // namespace

struct Importer::Batch {
  WriteRequest request;
  // The line of each item.
  std::vector<int64_t> lines;
  int64_t message_bytes = 0;
  // Of the input, up to the end of each item's line.
  std::vector<int64_t> input_bytes;
  bool has_made_up_ids = false;

  // Keeps the first `count` items.
  void Truncate(int count) {
    request.mutable_items()->DeleteSubrange(count,
                                            request.items_size() - count);
    lines.resize(count);
    input_bytes.resize(count);
  }
};

Importer::Importer(ImportOptions options, Write write)
    : options_(std::move(options)),
      write_(std::move(write)),
      run_id_(RandomId()) {}

Importer::~Importer() = default;

absl::Status Importer::Run(
    LineReader& lines,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  std::vector<std::thread> workers;
  workers.reserve(options_.in_flight);
  for (int i = 0; i < options_.in_flight; ++i) {
    workers.emplace_back([this] { RunWorker(); });
  }
  const absl::Status read = ReadAll(lines, on_progress);
  Drain(on_progress);
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& worker : workers) worker.join();
  // A line that cannot be read comes after all that were sent.
  if (!read.ok()) NoteFailure(lines.number(), read);

  absl::MutexLock lock(&mutex_);
  result_.complete_to_line = failure_.ok() ? lines.number() : failed_line_ - 1;
  for (const auto& [line, records] : stored_) {
    if (line > result_.complete_to_line) result_.records_after += records;
  }
  return failure_;
}

ImportResult Importer::result() const {
  absl::MutexLock lock(&mutex_);
  return result_;
}

absl::Status Importer::ReadAll(
    LineReader& lines,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  auto batch = std::make_unique<Batch>();
  absl::Status status;
  while (true) {
    absl::StatusOr<bool> more = lines.Next();
    if (more.ok() && !*more) break;
    status = more.ok() ? AddLine(lines, *batch) : more.status();
    if (!status.ok()) break;
    if (batch->lines.size() < options_.batch_records &&
        batch->message_bytes < options_.batch_bytes) {
      continue;
    }
    if (!Dispatch(std::move(batch), on_progress)) return absl::OkStatus();
    batch = std::make_unique<Batch>();
  }
  if (!batch->lines.empty()) Dispatch(std::move(batch), on_progress);
  return WithContext(status,
                     absl::StrCat(options_.input_name, ":", lines.number()));
}

absl::Status Importer::AddLine(const LineReader& lines, Batch& batch) {
  if (absl::StripAsciiWhitespace(lines.line()).empty()) return absl::OkStatus();
  if (batch.lines.empty()) batch.request.set_database(options_.database);
  auto* item = batch.request.add_items();
  item->set_collection(options_.collection);
  Record& record = *item->mutable_upsert();
  google::protobuf::Struct& fields = *record.mutable_fields();
  absl::Status status = parser_.ParseObject(lines.line(), &fields);
  if (status.ok()) {
    const auto id = fields.fields().find(options_.id_field);
    if (id == fields.fields().end()) {
      batch.has_made_up_ids = true;
    } else {
      status = WithContext(ReadId(id->second, record), options_.id_field);
      fields.mutable_fields()->erase(options_.id_field);
    }
  }
  if (!status.ok()) {
    batch.request.mutable_items()->RemoveLast();
    return status;
  }
  batch.lines.push_back(lines.number());
  batch.input_bytes.push_back(lines.bytes());
  batch.message_bytes += static_cast<int64_t>(item->ByteSizeLong());
  return absl::OkStatus();
}

bool Importer::Dispatch(
    std::unique_ptr<Batch> batch,
    absl::FunctionRef<void(const ImportResult&)> on_progress) {
  if (batch->has_made_up_ids) {
    batch->request.set_request_id(absl::StrCat(run_id_, "-", next_batch_));
  }
  ++next_batch_;
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
        for (const auto& item : batch->request.items()) {
          if (!item.upsert().id().empty()) busy_ids_.insert(item.upsert().id());
        }
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
  for (const auto& item : batch.request.items()) {
    if (busy_ids_.contains(item.upsert().id())) return false;
  }
  return true;
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
    std::vector<std::string> ids;
    ids.reserve(batch->lines.size());
    for (const auto& item : batch->request.items()) {
      ids.push_back(item.upsert().id());
    }
    Send(*batch);
    absl::MutexLock lock(&mutex_);
    for (const std::string& id : ids) busy_ids_.erase(id);
    --under_way_;
  }
}

void Importer::Send(Batch& batch) {
  absl::StatusOr<WriteResponse> response = WriteWithRetries(batch.request);
  if (response.ok()) {
    NoteStored(batch, response->position());
    return;
  }
  const absl::Status refusal = NameLines(batch, response.status());
  const auto faulty =
      FirstFaultyItem(response.status(), batch.request.items_size());
  NoteFailure(batch.lines[faulty.value_or(0)], refusal);
  if (faulty.value_or(0) == 0) return;
  // Nothing of a refused batch is stored. What stands before the faulty record
  // goes again, so that everything before its line is stored.
  batch.Truncate(*faulty);
  if (batch.has_made_up_ids) {
    absl::StrAppend(batch.request.mutable_request_id(), "-", *faulty);
  }
  Send(batch);
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
    wait = std::max(wait, RetryDelay(response.status()).value_or(wait));
    if (absl::Now() + wait > give_up) return response;
    absl::SleepFor(wait);
    delay = std::min(delay * 2, kMaxRetryDelay);
    absl::MutexLock lock(&mutex_);
    ++result_.retries;
  }
}

absl::Status Importer::NameLines(const Batch& batch,
                                 const absl::Status& status) const {
  const auto bad_request = BadRequestOf(status);
  FieldViolations violations;
  for (const auto& violation : bad_request.field_violations()) {
    std::string rest;
    const auto index = ParseItemPath(violation.field(), &rest);
    if (!index.has_value() || *index >= batch.lines.size()) {
      violations.Add(violation.field(), violation.description());
      continue;
    }
    violations.Add(absl::StrCat(options_.input_name, ":", batch.lines[*index],
                                rest.empty() ? "" : ": ", rest),
                   violation.description());
  }
  if (status.code() == absl::StatusCode::kInvalidArgument &&
      !violations.empty()) {
    return violations.ToStatus();
  }
  return WithContext(
      status, absl::StrCat(options_.input_name, ": lines ", batch.lines.front(),
                           " to ", batch.lines.back()));
}

void Importer::NoteStored(const Batch& batch, const std::string& position) {
  absl::MutexLock lock(&mutex_);
  const auto records = static_cast<int64_t>(batch.lines.size());
  result_.records += records;
  result_.bytes = std::max(result_.bytes, batch.input_bytes.back());
  stored_.emplace_back(batch.lines.front(), records);
  // Answers do not come in the order of the commits.
  absl::StatusOr<Position> parsed = Position::Parse(position);
  if (!parsed.ok()) {
    result_.position = position;
  } else if (parsed->epoch != position_.epoch ||
             parsed->sequence > position_.sequence) {
    position_ = *std::move(parsed);
    result_.position = position;
  }
}

void Importer::NoteFailure(int64_t line, const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (!failure_.ok() && failed_line_ <= line) return;
  failure_ = status;
  failed_line_ = line;
}

}  // namespace engram::engramctl
