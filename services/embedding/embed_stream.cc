#include "services/embedding/embed_stream.h"

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "services/embedding/embedding_codec.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

using Request = v1::EmbedStreamRequest;
using Response = v1::EmbedStreamResponse;

// Enough to keep a provider busy while answers are on their way.
constexpr size_t kMaxParts = 4;
// A quarter of what a client accepts in one message by default.
constexpr size_t kMaxResponseBytes = 1 << 20;
// Of one message, if the client states no deadline.
constexpr absl::Duration kPatience = absl::Minutes(1);

// The texts of one message, until their vectors are sent.
struct Part {
  Request request;
  std::vector<absl::string_view> texts;
  std::shared_ptr<Caller> caller;
  // The number of its first text in the stream.
  int64_t first = 0;
  // Once it `is_embedded`.
  std::vector<EmbedResult> results;
  bool is_embedded = false;
  // How many results were sent.
  size_t sent = 0;
};

absl::Status CheckMessage(const Request& request) {
  FieldViolations violations;
  // None are no mistake here, and an empty one is its own.
  if (!request.texts().empty()) {
    CheckTextCount(request.texts(), "texts", violations);
  }
  CheckPurpose(request.purpose(), violations);
  return violations.ToStatus();
}

class EmbedStream : public grpc::ServerBidiReactor<Request, Response> {
 public:
  EmbedStream(const grpc::CallbackServerContext& context,
              const ModelCatalog& catalog, ModelRunner& runner)
      : context_(context), catalog_(catalog), runner_(runner) {}

  // Call it once, as the handler's last act.
  void Begin() { StartRead(&incoming_); }

 private:
  using PartPtr = std::shared_ptr<Part>;

  void OnReadDone(bool ok) override {
    PartPtr part;
    Advance([&] {
      mutex_.AssertHeld();
      is_reading_ = false;
      if (!ok) has_all_ = true;
      if (!ok || !end_.ok()) return;
      end_ = Accept();
      if (end_.ok()) part = MakePart();
    });
    if (part != nullptr) Embed(part);
  }

  // Takes what the first message says of the stream; fails if the message makes
  // no sense.
  absl::Status Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Status valid = CheckMessage(incoming_);
    if (!valid.ok() || provider_ != nullptr) return valid;
    const auto provider = catalog_.Find(incoming_.model());
    if (!provider.ok()) return provider.status();
    provider_ = *provider;
    purpose_ = DecodePurpose(incoming_.purpose());
    truncate_ = incoming_.truncate();
    return absl::OkStatus();
  }

  // Makes a part of the message that came; null if it has no texts.
  PartPtr MakePart() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (incoming_.texts().empty()) return nullptr;
    auto part = std::make_shared<Part>();
    part->request.Swap(&incoming_);
    part->texts.assign(part->request.texts().begin(),
                       part->request.texts().end());
    part->first = texts_;
    part->caller =
        std::make_shared<Caller>(rpc::DeadlineOf(context_, kPatience));
    texts_ += static_cast<int64_t>(part->texts.size());
    parts_.push_back(part);
    ++embedding_;
    return part;
  }

  void Embed(const PartPtr& part) {
    runner_.Run(*provider_,
                {.texts = part->texts,
                 .purpose = purpose_,
                 .truncate = truncate_,
                 .caller = part->caller},
                [this, part](std::vector<EmbedResult> results) {
                  Advance([&] {
                    mutex_.AssertHeld();
                    part->results = std::move(results);
                    part->is_embedded = true;
                    --embedding_;
                  });
                });
  }

  void OnWriteDone(bool ok) override {
    Advance([&] {
      mutex_.AssertHeld();
      is_writing_ = false;
      if (!ok) end_.Update(absl::CancelledError("the client has gone"));
    });
  }

  // Makes a change, then begins what can begin: a write, a read, or the end.
  // Both under one lock: whoever ends the call must find nobody between them.
  void Advance(absl::FunctionRef<void()> change) {
    absl::Status end;
    {
      absl::MutexLock lock(&mutex_);
      change();
      if (is_finished_) return;
      if (end_.ok() && !is_writing_ && !parts_.empty() &&
          parts_.front()->is_embedded) {
        MakeResponse();
        is_writing_ = true;
        StartWrite(&outgoing_);
      }
      if (end_.ok() && !is_reading_ && !has_all_ && parts_.size() < kMaxParts) {
        is_reading_ = true;
        StartRead(&incoming_);
      }
      // A part that is being embedded refers to this object.
      is_finished_ = embedding_ == 0 && !is_writing_ &&
                     (!end_.ok() || (has_all_ && parts_.empty()));
      if (!is_finished_) return;
      end = end_;
    }
    // Not under the lock, which ends with this object.
    Finish(ToGrpcStatus(end));
  }

  // Fills in the next response, from the first part.
  void MakeResponse() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    outgoing_.Clear();
    Part& part = *parts_.front();
    outgoing_.set_first(part.first + static_cast<int64_t>(part.sent));
    if (outgoing_.first() == 0) {
      EncodeModel(catalog_, provider_->model(), *outgoing_.mutable_model());
    }
    size_t bytes = 0;
    while (part.sent < part.results.size() && bytes < kMaxResponseBytes) {
      v1::Embedding& embedding = *outgoing_.add_embeddings();
      EncodeResult(part.results[part.sent], static_cast<int64_t>(part.sent),
                   embedding, *outgoing_.mutable_usage());
      bytes += embedding.ByteSizeLong();
      ++part.sent;
    }
    if (part.sent == part.results.size()) parts_.pop_front();
  }

  void OnCancel() override {
    std::vector<std::shared_ptr<Caller>> callers;
    Advance([&] {
      mutex_.AssertHeld();
      end_.Update(absl::CancelledError("the client has gone"));
      for (const PartPtr& part : parts_) callers.push_back(part->caller);
    });
    for (const auto& caller : callers) caller->Leave();
  }

  void OnDone() override { delete this; }

  const grpc::CallbackServerContext& context_;
  const ModelCatalog& catalog_;
  ModelRunner& runner_;

  // What the first message says.
  Provider* provider_ = nullptr;
  Purpose purpose_ = Purpose::kDocument;
  bool truncate_ = false;
  // Of the read and the write under way.
  Request incoming_;
  Response outgoing_;

  absl::Mutex mutex_;
  // In the order of the texts.
  std::deque<PartPtr> parts_ ABSL_GUARDED_BY(mutex_);
  int64_t texts_ ABSL_GUARDED_BY(mutex_) = 0;
  // How many parts are being embedded.
  int embedding_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  // The client sends no more.
  bool has_all_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  // Why the stream ends early.
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

grpc::ServerBidiReactor<Request, Response>* BeginEmbedStream(
    const grpc::CallbackServerContext& context, const ModelCatalog& catalog,
    ModelRunner& runner) {
  auto* const stream = new EmbedStream(context, catalog, runner);
  stream->Begin();
  return stream;
}

}  // namespace engram::embedding
