#include "services/embedding/observed_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <string>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::FakeProvider;
using ::testing::HasSubstr;

TEST(ObservedProviderTest, CountsTextsTokensCallsAndFailures) {
  prometheus::Registry registry;
  auto fake = std::make_unique<FakeProvider>();
  FakeProvider& control = *fake;
  ObservedProvider provider(std::move(fake), registry);

  ASSERT_OK(provider.Embed({"a", "b"}, Purpose::kDocument));
  ASSERT_OK(provider.Embed({"c"}, Purpose::kQuery));
  control.set_before([](auto) { return absl::UnavailableError("down"); });
  ASSERT_FALSE(provider.Embed({"d"}, Purpose::kQuery).ok());

  const std::string metrics =
      prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_THAT(metrics, HasSubstr("engram_embedding_texts_total{model=\"fake/"
                                 "small\",provider=\"fake\"} 3"));
  EXPECT_THAT(metrics, HasSubstr("engram_embedding_tokens_total{model=\"fake/"
                                 "small\",provider=\"fake\"} 3"));
  EXPECT_THAT(metrics,
              HasSubstr("engram_embedding_cost_usd_total{model=\"fake/small\","
                        "provider=\"fake\"} 1.5"));
  EXPECT_THAT(metrics, HasSubstr("engram_embedding_call_seconds_count{model="
                                 "\"fake/small\",provider=\"fake\"} 3"));
  EXPECT_THAT(
      metrics,
      HasSubstr("engram_embedding_call_failures_total{code="
                "\"UNAVAILABLE\",model=\"fake/small\",provider=\"fake\"} 1"));
}

TEST(ObservedProviderTest, HealthIsHowTheLastCallEnded) {
  prometheus::Registry registry;
  auto fake = std::make_unique<FakeProvider>();
  FakeProvider& control = *fake;
  ObservedProvider provider(std::move(fake), registry);
  EXPECT_OK(provider.health());

  control.set_before([](auto) { return absl::UnavailableError("down"); });
  ASSERT_FALSE(provider.Embed({"a"}, Purpose::kQuery).ok());
  EXPECT_THAT(provider.health(),
              StatusIs(absl::StatusCode::kUnavailable, "down"));
  // A refused text says that it works.
  control.set_before([](auto) { return absl::InvalidArgumentError("long"); });
  ASSERT_FALSE(provider.Embed({"a"}, Purpose::kQuery).ok());
  EXPECT_OK(provider.health());
}

}  // namespace
}  // namespace engram::embedding
