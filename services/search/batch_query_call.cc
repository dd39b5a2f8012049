#include "services/search/batch_query_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"
#include "services/search/query_decoder.h"

namespace engram::search {
namespace {

// A query that takes as long as it may must not take the others' answers with
// it: some of the call's time is left to send them.
CallTimes TimesOfQueries(CallTimes call) {
  call.deadline -= (call.deadline - call.start) / 20;
  return call;
}

}  // namespace

BatchQueryCall::BatchQueryCall(std::shared_ptr<SearchBackend> backend,
                               CallTimes times,
                               const v1::BatchQueryRequest& request,
                               v1::BatchQueryResponse* response, Done done)
    : backend_(std::move(backend)),
      times_(TimesOfQueries(times)),
      request_(request),
      response_(response),
      done_(std::move(done)),
      missing_(request.queries_size()) {}

void BatchQueryCall::Start() {
  const int count = request_.queries_size();
  if (count == 0 || count > kMaxBatchQueries) {
    return done_(InvalidField(
        "queries",
        absl::StrCat("has ", count, " queries; send 1 to ", kMaxBatchQueries)));
  }
  // Before the first is answered: growing moves what they are written to.
  for (int i = 0; i < count; ++i) {
    response_->add_answers()->mutable_response();
  }
  const absl::Status queued = backend_->search_pool.Submit(
      [self = shared_from_this()] { self->StartQueries(); });
  if (!queued.ok()) done_(queued);
}

void BatchQueryCall::StartQueries() {
  // The last answer may come before the loop ends, and the request be gone.
  const int count = request_.queries_size();
  const auto gatherer = std::make_shared<TextGatherer>(backend_);
  for (int i = 0; i < count; ++i) {
    v1::BatchQueryAnswer& answer = *response_->mutable_answers(i);
    StartQuery(
        backend_, times_, DecodeQuery(request_.queries(i)),
        answer.mutable_response(), gatherer,
        [self = shared_from_this(), &answer](const absl::Status& status) {
          self->OnAnswer(answer, status);
        });
  }
  gatherer->Send();
}

void BatchQueryCall::OnAnswer(v1::BatchQueryAnswer& answer,
                              const absl::Status& status) {
  if (!status.ok()) *answer.mutable_error() = ToRpcStatus(status);
  if (missing_.fetch_sub(1) == 1) done_(absl::OkStatus());
}

}  // namespace engram::search
