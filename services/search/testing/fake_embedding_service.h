#ifndef ENGRAM_SERVICES_SEARCH_TESTING_FAKE_EMBEDDING_SERVICE_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_FAKE_EMBEDDING_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/vector/vector.h"

namespace engram::search::testing {

// What the fake model makes of a text: how often it has each of the letters a
// to d, at unit length. A text without any gives zeros.
inline std::vector<float> LetterVector(const std::string& text) {
  std::vector<float> vector(4);
  for (const char letter : text) {
    if (letter >= 'a' && letter <= 'd') ++vector[letter - 'a'];
  }
  vector::Normalize(absl::MakeSpan(vector));
  return vector;
}

// What the other fake model makes of a text: the same, the letters from d to a,
// and one more component.
inline std::vector<float> TurnedVector(const std::string& text) {
  std::vector<float> vector = LetterVector(text);
  std::reverse(vector.begin(), vector.end());
  vector.push_back(0);
  return vector;
}

// A fake: the models `test/letters` and `test/turned`, and failures on request.
// Thread-safe.
class FakeEmbeddingService : public embedding::v1::EmbeddingService::Service {
 public:
  static constexpr char kModel[] = "test/letters";
  static constexpr char kFingerprint[] = "letters-1";
  static constexpr char kTurnedModel[] = "test/turned";
  static constexpr char kTurnedFingerprint[] = "turned-1";
  // A text that neither takes.
  static constexpr char kRefused[] = "refused";

  FakeEmbeddingService() {
    grpc::ServerBuilder builder;
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    channel_ = server_->InProcessChannel(grpc::ChannelArguments());
  }
  ~FakeEmbeddingService() override { server_->Shutdown(); }

  std::shared_ptr<grpc::Channel> channel() { return channel_; }

  // Every call ends with this; OK works again.
  void FailWith(grpc::Status status) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(status);
  }

  // Answers as if the model behind the name had been replaced.
  void ChangeFingerprint(std::string fingerprint) {
    absl::MutexLock lock(&mutex_);
    fingerprint_ = std::move(fingerprint);
  }

  // No call ends before its client gives up.
  void Hang() {
    absl::MutexLock lock(&mutex_);
    hangs_ = true;
  }

  // How many calls there have been.
  int calls() const {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }

  // The purpose of the last call.
  embedding::v1::Purpose last_purpose() const {
    absl::MutexLock lock(&mutex_);
    return last_purpose_;
  }

  grpc::Status Embed(grpc::ServerContext* context,
                     const embedding::v1::EmbedRequest* request,
                     embedding::v1::EmbedResponse* response) override {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    last_purpose_ = request->purpose();
    while (hangs_) {
      if (context->IsCancelled()) return grpc::Status::CANCELLED;
      hang_.WaitWithTimeout(&mutex_, absl::Milliseconds(5));
    }
    if (!failure_.ok()) return failure_;
    const bool is_turned = request->model() == kTurnedModel;
    if (request->model() != kModel && !is_turned) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such model");
    }
    response->mutable_model()->set_name(request->model());
    response->mutable_model()->set_fingerprint(is_turned ? kTurnedFingerprint
                                                         : fingerprint_);
    for (int i = 0; i < request->texts_size(); ++i) {
      const std::string& text = request->texts(i);
      if (text == kRefused) {
        const absl::Status refusal =
            InvalidField(absl::StrCat("texts[", i, "]"), "is too long");
        if (!request->partial()) return ToGrpcStatus(refusal);
        *response->add_embeddings()->mutable_error() = ToRpcStatus(refusal);
        continue;
      }
      response->add_embeddings()->mutable_vector()->set_values(std::string(
          vector::Pack(is_turned ? TurnedVector(text) : LetterVector(text))));
    }
    return grpc::Status::OK;
  }

 private:
  mutable absl::Mutex mutex_;
  grpc::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::string fingerprint_ ABSL_GUARDED_BY(mutex_) = kFingerprint;
  embedding::v1::Purpose last_purpose_ ABSL_GUARDED_BY(mutex_) =
      embedding::v1::PURPOSE_UNSPECIFIED;

  bool hangs_ ABSL_GUARDED_BY(mutex_) = false;
  absl::CondVar hang_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;

  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_FAKE_EMBEDDING_SERVICE_H_
