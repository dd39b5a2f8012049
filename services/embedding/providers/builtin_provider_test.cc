#include "services/embedding/providers/builtin_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>

#include "services/embedding/provider_stack.h"
#include "services/embedding/testing/model_fixtures.h"
#include "services/embedding/testing/provider_contract.h"

namespace engram::embedding {
namespace {

struct MakeBuiltin {
  static std::unique_ptr<Provider> Make() {
    return std::make_unique<BuiltinProvider>(testing::OpenShippedModel());
  }
};

float Cosine(const EmbeddedText& a, const EmbeddedText& b) {
  float sum = 0;
  for (size_t i = 0; i < a.vector.size(); ++i) sum += a.vector[i] * b.vector[i];
  return sum;
}

TEST(BuiltinProviderTest, NearMeaningsHaveNearVectors) {
  const auto provider = MakeBuiltin::Make();
  ASSERT_OK_AND_ASSIGN(const auto embedded,
                       provider->Embed({"program to edit photographs",
                                        "GNU image manipulation program",
                                        "monitor network traffic"},
                                       Purpose::kQuery));

  EXPECT_GT(Cosine(embedded[0], embedded[1]),
            Cosine(embedded[0], embedded[2]) + 0.1);
}

TEST(BuiltinProviderTest, NamesEveryTextWithoutAWord) {
  EXPECT_THAT(
      MakeBuiltin::Make()->Embed({"\n", "a", "\u200B"}, Purpose::kDocument),
      engram::testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                "texts[0]: holds no word; give a text "
                                "with at least one; texts[2]"));
}

TEST(BuiltinProviderTest, CountsTheTokensThatItsModelReads) {
  prometheus::Registry registry;
  // Through every layer there is.
  const auto provider = WrapLocal(MakeBuiltin::Make(), registry);
  for (const char* text : {"The violins, unfathomably.", "東京都", "x"}) {
    ASSERT_OK_AND_ASSIGN(const auto embedded,
                         provider->Embed({text}, Purpose::kDocument));
    EXPECT_EQ(provider->CountTokens(text), embedded[0].tokens) << text;
  }
  EXPECT_EQ(provider->CountTokens(" \n"), 0);
}

// A chunk of a long text may hold no more than that.
TEST(BuiltinProviderTest, MarksAloneAreAText) {
  EXPECT_OK(MakeBuiltin::Make()->Embed(
      {"---", "}", "```\n```", "…", "😀", "* * *"}, Purpose::kDocument));
}

// Databases hold these: the form must never change.
TEST(BuiltinProviderTest, FingerprintIsNameAndRevision) {
  const auto provider = MakeBuiltin::Make();

  EXPECT_EQ(provider->model().name, "builtin/static-minilm-256");
  EXPECT_THAT(
      provider->model().fingerprint,
      ::testing::MatchesRegex("builtin/static-minilm-256@[0-9a-f]{16}"));
}

}  // namespace

namespace testing {

INSTANTIATE_TYPED_TEST_SUITE_P(Builtin, ProviderContract,
                               ::testing::Types<MakeBuiltin>);

}  // namespace testing
}  // namespace engram::embedding
