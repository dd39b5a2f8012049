// What the tests of remote providers share.

#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_HTTP_PROVIDER_FIXTURE_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_HTTP_PROVIDER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/clock/timers.h"
#include "libs/http/http_client.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/batching_provider.h"
#include "services/embedding/checked_provider.h"
#include "services/embedding/isolating_provider.h"
#include "services/embedding/providers/http_channel.h"
#include "services/embedding/providers/http_provider.h"
#include "services/embedding/providers/provider_config.h"
#include "services/embedding/testing/provider_server.h"

namespace engram::embedding::testing {

// The environment variable of the key.
inline constexpr const char* kKeyEnv = "ENGRAM_TEST_PROVIDER_KEY";

// A user's file: the provider as it ships, at the server's address, with a
// model of a few dimensions.
inline std::string UserFile(ProviderKind kind, const std::string& base_url,
                            absl::string_view more, absl::string_view used) {
  const bool is_shipped = kind != ProviderKind::kCompatible;
  return absl::StrCat("providers:\n  ", NameOf(kind),
                      ":\n    base_url: ", base_url, "\n    key_env: ", kKeyEnv,
                      "\n    proxy: none\n",
                      is_shipped ? "" : "    format: openai\n", more,
                      "    models:\n      test-model: {dimensions: 8, ",
                      "other_dimensions: 4-7, query_prefix: 'find: '}\n",
                      "use: [", used, "]\n");
}

inline RemoteModel ReadModel(const std::string& file) {
  auto config = ParseProviderConfig(file, "test.yaml");
  EXPECT_OK(config);
  return config->models.at(0);
}

// A provider of each kind against a server that speaks its documented format,
// wrapped in what splits calls and checks answers, and in nothing that hides
// how a call ends.
class HttpProviderTest : public ::testing::TestWithParam<ProviderKind> {
 protected:
  HttpProviderTest() : server_(GetParam()) {
    setenv(kKeyEnv, std::string(ProviderServer::kKey).c_str(), 1);
    Use("");
  }
  ~HttpProviderTest() override { unsetenv(kKeyEnv); }

  std::string name() const { return NameOf(GetParam()) + "/test-model"; }

  // Makes the provider, with `more` lines about it in the user's file.
  void Use(absl::string_view more) { Use(more, name()); }
  void Use(absl::string_view more, absl::string_view used) {
    UseServer(server_, more, used);
  }
  void UseServer(const ProviderServer& server, absl::string_view more,
                 absl::string_view used) {
    UseModel(ReadModel(UserFile(GetParam(), server.base_url(), more, used)));
  }
  void UseModel(const RemoteModel& model) {
    provider_ = std::make_unique<HttpProvider>(
        model, std::make_shared<HttpChannel>(model.provider.http, 4));
    provider_ = std::make_unique<CheckedProvider>(std::move(provider_));
    provider_ = std::make_unique<IsolatingProvider>(std::move(provider_));
    provider_ = std::make_unique<BatchingProvider>(std::move(provider_),
                                                   1 << 20, *timers_);
  }

  absl::StatusOr<std::vector<EmbeddedText>> Embed(
      const std::vector<absl::string_view>& texts) {
    return provider_->Embed(texts, Purpose::kDocument);
  }

  // How Embed ends when the server answers `status` with `words`.
  absl::Status Refuse(int status, absl::string_view words,
                      std::vector<http::Header> headers,
                      const std::vector<absl::string_view>& texts) {
    server_.Behave({.status = status,
                    .words = std::string(words),
                    .headers = std::move(headers)});
    return Embed(texts).status();
  }
  absl::Status Refuse(int status, absl::string_view words) {
    return Refuse(status, words, {}, {"a", "b"});
  }

  // How Embed ends when the body is what `change` makes of it.
  absl::Status ChangeBody(std::function<std::string(std::string)> change) {
    server_.Behave({.change_body = std::move(change)});
    return Ask().status();
  }
  absl::Status ChangeVectors(
      std::function<void(std::vector<std::vector<float>>&)> change) {
    server_.Behave({.change_vectors = std::move(change)});
    return Ask().status();
  }
  // As queries, so that no text is looked for that is at fault.
  absl::StatusOr<std::vector<EmbeddedText>> Ask() {
    return provider_->Embed({"a", "b"}, Purpose::kQuery);
  }

  ProviderServer server_;
  const std::unique_ptr<Timers> timers_ = Timers::MakeReal();
  std::unique_ptr<Provider> provider_;
};

// Instantiates `suite` for all providers.
#define INSTANTIATE_FOR_ALL_PROVIDERS(suite)                              \
  INSTANTIATE_TEST_SUITE_P(                                               \
      Providers, suite,                                                   \
      ::testing::Values(ProviderKind::kOpenAi, ProviderKind::kOpenRouter, \
                        ProviderKind::kVoyage, ProviderKind::kMistral,    \
                        ProviderKind::kCompatible, ProviderKind::kGemini, \
                        ProviderKind::kCohere, ProviderKind::kOllama,     \
                        ProviderKind::kTei),                              \
      [](const auto& info) { return NameOf(info.param); })

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_HTTP_PROVIDER_FIXTURE_H_
