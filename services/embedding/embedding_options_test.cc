#include "services/embedding/embedding_options.h"

#include <gtest/gtest.h>

#include "libs/status/testing/status_matchers.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;

TEST(EmbeddingOptionsTest, DefaultsAreValid) {
  EXPECT_OK(EmbeddingOptions().Validate());
}

TEST(EmbeddingOptionsTest, OutOfRangeNamesTheSetting) {
  EXPECT_THAT(EmbeddingOptions{.indexer_threads = 0}.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "indexer-threads"));
  EXPECT_THAT(EmbeddingOptions{.indexer_batch = 4097}.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "indexer-batch"));
  EXPECT_THAT(
      EmbeddingOptions{.indexer_lease = absl::Milliseconds(1)}.Validate(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "indexer-lease is 1ms; give a value from 1s to 10m"));
  EXPECT_THAT(
      EmbeddingOptions{.indexer_max_backoff = absl::Hours(1)}.Validate(),
      StatusIs(absl::StatusCode::kInvalidArgument, "indexer-max-backoff"));
  EXPECT_THAT(EmbeddingOptions{.embed_threads = 1000}.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "embed-threads"));
  EXPECT_THAT(EmbeddingOptions{.embed_queue = 0}.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "embed-queue"));
}

TEST(EmbeddingOptionsTest, GivenModelFileIsUsedAsItIs) {
  EXPECT_EQ(EmbeddingOptions{.model_file = "/x/y.model"}.ResolvedModelFile(),
            "/x/y.model");
}

}  // namespace
}  // namespace engram::embedding
