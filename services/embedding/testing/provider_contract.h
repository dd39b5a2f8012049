// What every provider must do, in the stack that the service wraps it in. A
// provider's test names a type with `static std::unique_ptr<Provider> Make()`
// and instantiates the suite with it.

#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_CONTRACT_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_CONTRACT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/clock/timers.h"
#include "libs/status/testing/status_matchers.h"
#include "prometheus/registry.h"
#include "services/embedding/provider.h"
#include "services/embedding/provider_stack.h"

namespace engram::embedding::testing {

template <typename Maker>
class ProviderContract : public ::testing::Test {
 protected:
  std::vector<EmbeddedText> Embed(const std::vector<absl::string_view>& texts) {
    auto embedded = provider_->Embed(texts, Purpose::kDocument);
    EXPECT_OK(embedded);
    return embedded.ok() ? *std::move(embedded) : std::vector<EmbeddedText>();
  }
  std::vector<float> EmbedOne(absl::string_view text) {
    const auto embedded = Embed({text});
    return embedded.empty() ? std::vector<float>() : embedded[0].vector;
  }

  static std::unique_ptr<Provider> Wrap(std::unique_ptr<Provider> provider,
                                        const SharedParts& parts) {
    if (provider->is_local()) {
      return WrapLocal(std::move(provider), parts.registry);
    }
    std::vector<Endpoint> endpoints;
    endpoints.push_back({std::move(provider), {}});
    return WrapRemote(std::move(endpoints), parts);
  }

  prometheus::Registry registry_;
  const std::unique_ptr<Timers> timers_ = Timers::MakeReal();
  VectorCache cache_{1 << 20};
  const std::unique_ptr<Provider> provider_ =
      Wrap(Maker::Make(), {registry_, *timers_, cache_});
};

TYPED_TEST_SUITE_P(ProviderContract);

TYPED_TEST_P(ProviderContract, DescribesItsModel) {
  const Model& model = this->provider_->model();

  EXPECT_THAT(model.name, ::testing::MatchesRegex("[a-z0-9-]+/[a-z0-9.-]+"));
  // Whoever reads a fingerprint sees whose it is.
  EXPECT_THAT(model.fingerprint, ::testing::StartsWith(model.name + "@"));
  EXPECT_GE(model.dimensions, 1);
  EXPECT_LE(model.dimensions, 4096);
}

TYPED_TEST_P(ProviderContract, GivesOneVectorATextInTheirOrder) {
  const auto together =
      this->Embed({"photo editor", "network monitor", "photo editor"});

  ASSERT_EQ(together.size(), 3);
  EXPECT_THAT(together[0].vector,
              ::testing::Pointwise(::testing::FloatNear(1e-3),
                                   this->EmbedOne("photo editor")));
  EXPECT_THAT(together[1].vector,
              ::testing::Pointwise(::testing::FloatNear(1e-3),
                                   this->EmbedOne("network monitor")));
  EXPECT_EQ(together[0].vector, together[2].vector);
  EXPECT_NE(together[0].vector, together[1].vector);
}

TYPED_TEST_P(ProviderContract, VectorsAreOfTheModelsKind) {
  const std::string long_text(20'000, 'x');
  const std::string many_words = [] {
    std::string text;
    for (int i = 0; i < 5'000; ++i) text += "word ";
    return text;
  }();
  for (const absl::string_view text :
       {absl::string_view("a"), absl::string_view("!"),
        absl::string_view("naïve 中文 😀"), absl::string_view(long_text),
        absl::string_view(many_words)}) {
    const auto embedded = this->Embed({text});
    ASSERT_EQ(embedded.size(), 1);
    EXPECT_GE(embedded[0].tokens, 1);
    ASSERT_EQ(embedded[0].vector.size(), this->provider_->model().dimensions);
    double squares = 0;
    for (const float value : embedded[0].vector) squares += value * value;
    EXPECT_TRUE(std::isfinite(squares));
    if (this->provider_->model().normalized) {
      EXPECT_NEAR(squares, 1, 1e-3);
    }
  }
}

TYPED_TEST_P(ProviderContract, NoTextsHaveNoVectors) {
  EXPECT_TRUE(this->Embed({}).empty());
}

TYPED_TEST_P(ProviderContract, EmptyTextIsRefusedByItsPlace) {
  EXPECT_THAT(this->provider_->Embed({"a", "", "b"}, Purpose::kQuery),
              engram::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                        "texts[1]"));
}

TYPED_TEST_P(ProviderContract, ServesSeveralThreadsAtOnce) {
  const auto expected = this->EmbedOne("photo editor");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 20; ++call) {
        EXPECT_EQ(this->EmbedOne("photo editor"), expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

REGISTER_TYPED_TEST_SUITE_P(ProviderContract, DescribesItsModel,
                            GivesOneVectorATextInTheirOrder,
                            VectorsAreOfTheModelsKind, NoTextsHaveNoVectors,
                            EmptyTextIsRefusedByItsPlace,
                            ServesSeveralThreadsAtOnce);

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_PROVIDER_CONTRACT_H_
