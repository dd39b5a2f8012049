#include "services/search/batch_query_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"
#include "services/search/text_embedding.h"

namespace engram::search {
namespace {

// Clients take messages of 4 MiB, of which some is for errors.
constexpr size_t kMaxAnswerBytes = size_t{3} << 20;

// A query that takes as long as it may must not take the others' answers with
// it. Of the call's time one part in so many is left when queries end, and when
// those that have not are given up; who waits for something says so itself.
constexpr int kPartLeftByQueries = 20;
constexpr int kPartLeftByAnswers = 40;

absl::Time EndWith(const CallTimes& call, int part_left) {
  return call.deadline - (call.deadline - call.start) / part_left;
}

absl::Status TooLargeError() {
  return absl::ResourceExhaustedError(absl::StrCat(
      "the answers of the call would take more than ", kMaxAnswerBytes >> 20,
      " MiB; send fewer queries at once, or ask for fewer "
      "records or fields"));
}

absl::Status TooLateError() {
  return absl::DeadlineExceededError(
      "the query was not answered within the call's time; give the call more, "
      "or send the query alone");
}

}  // namespace

BatchQueryCall::BatchQueryCall(std::shared_ptr<SearchBackend> backend,
                               CallTimes times,
                               v1::BatchQueryResponse* response, Done done)
    : backend_(std::move(backend)),
      times_(times),
      done_(std::move(done)),
      response_(response),
      bytes_left_(kMaxAnswerBytes) {}

void BatchQueryCall::Start(const v1::BatchQueryRequest& request) {
  const int count = request.queries_size();
  if (count == 0 || count > kMaxBatchQueries) {
    return done_(InvalidField(
        "queries",
        absl::StrCat("has ", count, " queries; send 1 to ", kMaxBatchQueries)));
  }
  // Here, as the request may be gone when the pool has time for them.
  for (const v1::QueryRequest& query : request.queries()) {
    queries_.push_back(DecodeQuery(query));
  }
  responses_.resize(count);
  {
    absl::MutexLock lock(&mutex_);
    missing_ = count;
    for (int i = 0; i < count; ++i) response_->add_answers();
  }
  ticket_ = backend_->timer.At(
      EndWith(times_, kPartLeftByAnswers), [weak = weak_from_this()] {
        const std::shared_ptr<BatchQueryCall> self = weak.lock();
        if (self != nullptr) self->EndLate();
      });
  const absl::Status queued = backend_->search_pool.Submit(
      [self = shared_from_this()] { self->StartQueries(); });
  if (queued.ok()) return;
  backend_->timer.Cancel(ticket_);
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(ended_, true)) return;
  }
  done_(queued);
}

void BatchQueryCall::StartQueries() {
  if (HasEnded()) return;
  const CallTimes times = {.start = times_.start,
                           .deadline = EndWith(times_, kPartLeftByQueries)};
  const auto gatherer = std::make_shared<TextGatherer>(backend_);
  for (size_t i = 0; i < queries_.size(); ++i) {
    StartQuery(backend_, times, std::move(queries_[i]), &responses_[i],
               gatherer,
               [self = shared_from_this(), i](const absl::Status& status) {
                 self->OnAnswer(static_cast<int>(i), status);
               });
  }
  gatherer->Send();
}

bool BatchQueryCall::HasEnded() {
  absl::MutexLock lock(&mutex_);
  return ended_;
}

void BatchQueryCall::OnAnswer(int query, const absl::Status& status) {
  v1::QueryResponse response = std::move(responses_[query]);
  const size_t bytes = response.ByteSizeLong();
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    v1::BatchQueryAnswer& answer = *response_->mutable_answers(query);
    if (!status.ok()) {
      *answer.mutable_error() = ToRpcStatus(status);
    } else if (bytes > bytes_left_) {
      *answer.mutable_error() = ToRpcStatus(TooLargeError());
    } else {
      bytes_left_ -= bytes;
      *answer.mutable_response() = std::move(response);
    }
    if (--missing_ > 0) return;
    ended_ = true;
  }
  backend_->timer.Cancel(ticket_);
  done_(absl::OkStatus());
}

void BatchQueryCall::EndLate() {
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(ended_, true)) return;
    for (v1::BatchQueryAnswer& answer : *response_->mutable_answers()) {
      if (answer.outcome_case() == v1::BatchQueryAnswer::OUTCOME_NOT_SET) {
        *answer.mutable_error() = ToRpcStatus(TooLateError());
      }
    }
  }
  done_(absl::OkStatus());
}

}  // namespace engram::search
