#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_SERVER_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/struct.pb.h"
#include "libs/http/testing/fake_http_server.h"

namespace engram::embedding::testing {

// The providers, as providers.yaml calls them; `compatible` is a server of the
// OpenAI shape that knows no more than what all of that shape know.
enum class ProviderKind {
  kOpenAi,
  kOpenRouter,
  kVoyage,
  kMistral,
  kCompatible,
  kGemini,
  kCohere,
  kOllama,
  kTei
};

std::string NameOf(ProviderKind kind);

// What a request asked for.
struct AskedFor {
  std::string model;
  std::vector<std::string> texts;
  // Of a request to rerank; empty of others.
  std::string query;
  // 0 and empty if it did not say.
  int dimensions = 0;
  std::string task;
  bool base64 = false;
  // Whether it was answered with vectors, which providers charge.
  bool is_paid = false;
};

// The score that the server gives `text` for `query`, 0 to 1.
float RankScore(absl::string_view query, absl::string_view text);

// A fake: an HTTP server that speaks the documented format of one provider:
// takes only what its reference describes, wants the key `test-key` where the
// reference says, and gives each text a vector of its own. Written from the
// references and not from the provider's class, so that the two are compared.
class ProviderServer {
 public:
  // What is done to the answers from now on.
  struct Behaviour {
    // Whether it is done to this one, asked in a thread of the server; all if
    // empty. The others are answered as they should be.
    std::function<bool(const AskedFor&)> applies_to;
    // Other than 200: the body is the provider's form of an error with `words`.
    int status = 200;
    std::string words;
    std::vector<http::Header> headers;
    http::testing::FakeResponse::Fate fate =
        http::testing::FakeResponse::Fate::kSent;
    // Changes the vectors before they are written.
    std::function<void(std::vector<std::vector<float>>&)> change_vectors;
    // Changes the scores, by the places of the texts, before they are written.
    std::function<void(std::vector<float>&)> change_scores;
    // The index of the vector at each place; empty is 0, 1, 2 and so on.
    std::vector<int> indexes;
    // Changes the body after it was written.
    std::function<std::string(std::string)> change_body;
  };

  static constexpr int kDimensions = 8;
  static constexpr absl::string_view kKey = "test-key";

  explicit ProviderServer(ProviderKind kind) : ProviderServer(kind, nullptr) {}
  // Speaks TLS.
  ProviderServer(ProviderKind kind, const http::testing::TlsIdentity* identity);

  // What a ProviderSpec calls `base_url`.
  std::string base_url() const;
  void Behave(Behaviour behaviour);
  // Of each request that was understood.
  std::vector<AskedFor> requests() const;

 private:
  http::testing::FakeResponse Answer(const http::testing::FakeRequest& request);
  // Notes the request, and returns what is done to its answer.
  Behaviour Count(AskedFor asked);
  http::testing::FakeResponse AnswerRerank(
      const http::testing::FakeRequest& request);
  // Reads a request to rerank; returns an error's words, or nothing.
  std::string ReadRerank(const google::protobuf::Struct& body,
                         AskedFor& asked) const;
  std::string WriteScores(const std::vector<float>& scores) const;
  // Returns an error's words, or nothing and what was asked for.
  std::string Understand(const http::testing::FakeRequest& request,
                         AskedFor& asked) const;
  std::string ReadBody(const google::protobuf::Struct& body,
                       AskedFor& asked) const;
  std::string ReadGemini(const google::protobuf::Struct& body,
                         AskedFor& asked) const;
  std::string WriteVectors(const AskedFor& asked,
                           const std::vector<std::vector<float>>& vectors,
                           const std::vector<int>& indexes) const;
  std::string WriteError(int status, absl::string_view words) const;

  const ProviderKind kind_;
  mutable absl::Mutex mutex_;
  Behaviour behaviour_ ABSL_GUARDED_BY(mutex_);
  std::vector<AskedFor> requests_ ABSL_GUARDED_BY(mutex_);
  // Last: it calls the rest.
  http::testing::FakeHttpServer server_;
};

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_SERVER_H_
