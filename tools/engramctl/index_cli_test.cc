#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using IndexCliTest = testing::CliFixture;

constexpr char kPosition[] = "default@0000000000000001.5";

TEST_F(IndexCliTest, ShowsWhatAnIndexCoversAndWhatItsMemoryHolds) {
  search::v1::GetIndexResponse& answer = engram_.indexes.index;
  search::v1::Index& index = *answer.mutable_index();
  index.set_database("default");
  index.set_collection("notes");
  index.set_vector_field("text");
  index.set_generation(3);
  index.set_dimensions(256);
  index.set_state(search::v1::Index::STATE_SERVING);
  index.set_records(1200);
  index.set_vectors(2400);
  index.set_graph_vectors(2000);
  index.set_kind(common::v1::INDEX_KIND_HNSW);
  index.set_precision(common::v1::PRECISION_INT4);
  index.set_position(kPosition);
  index.set_memory_bytes(3'000'000);
  index.set_mapped_bytes(2'000'000);
  index.set_attribute_bytes(100'000);
  index.mutable_lag()->set_seconds(61);
  index.mutable_lag()->set_nanos(250'400'000);
  auto* part = answer.add_memory();
  part->set_name("vectors");
  part->set_bytes(3'000'000);
  part = answer.add_memory();
  part->set_name("attributes");
  part->set_bytes(100'000);
  auto& coverage = *answer.mutable_coverage();
  coverage.set_records(1300);
  coverage.set_indexed(1200);
  coverage.set_pending(50);
  coverage.set_failed(20);
  coverage.set_without_text(30);
  auto* point = answer.add_calibration();
  point->set_width(24);
  point->set_recall(0.9f);
  auto& measured = *answer.mutable_measured_recall();
  measured.set_recall(0.963f);
  measured.set_samples(1000);
  measured.set_width(48);
  EXPECT_EQ(Engramctl({"index", "show", "notes", "--generation", "3"}), 0)
      << errors_;
  EXPECT_EQ(output_,
            "default/notes/text, generation 3: serving\n"
            "position  default@0000000000000001.5, 1m1.25s behind\n"
            "records   1,200 of 1,300: 50 pending, 20 failed, 30 without text\n"
            "vectors   2,400 of 256 dimensions, 2,000 in a graph\n"
            "kind      hnsw\n"
            "precision int4\n"
            "recall    0.963 of the nearest, by 1,000 sampled queries; "
            "width 48\n"
            "memory    3.1 MB, 2.0 MB mapped from the cache\n"
            "MEMORY OF       BYTES\n"
            "vectors     3,000,000\n"
            "attributes    100,000\n");
  EXPECT_EQ(engram_.indexes.last_asked.collection(), "notes");
  EXPECT_EQ(engram_.indexes.last_asked.generation(), 3);

  EXPECT_EQ(Engramctl({"index", "show", "notes", "--json"}), 0);
  auto fields = Json().fields();
  EXPECT_EQ(fields["lag_seconds"].number_value(), 61.2504);
  EXPECT_EQ(fields["kind"].string_value(), "hnsw");
  EXPECT_EQ(fields["precision"].string_value(), "int4");
  EXPECT_EQ(
      fields["memory"].struct_value().fields().at("vectors").number_value(),
      3'000'000);
  EXPECT_EQ(
      fields["coverage"].struct_value().fields().at("failed").number_value(),
      20);
  const auto& recall = fields["measured_recall"].struct_value().fields();
  EXPECT_EQ(recall.at("samples").number_value(), 1000);
  EXPECT_FLOAT_EQ(static_cast<float>(recall.at("recall").number_value()),
                  0.963f);
  EXPECT_EQ(fields["calibration"].list_value().values_size(), 1);

  index.set_kind(common::v1::INDEX_KIND_FLAT);
  index.set_precision(common::v1::PRECISION_FLOAT32);
  EXPECT_EQ(Engramctl({"index", "show", "notes"}), 0);
  EXPECT_THAT(output_, HasSubstr("kind      flat\n"
                                 "precision float32\n"
                                 "recall    1, as every query is compared "
                                 "with all\n"));

  // Storage is away.
  answer.clear_coverage();
  EXPECT_EQ(Engramctl({"index", "show", "notes"}), 0);
  EXPECT_THAT(output_, HasSubstr("records   1,200\n"));
}

TEST_F(IndexCliTest, ARebuildIsBegunAndWaitedForIfAsked) {
  EXPECT_EQ(Engramctl({"index", "rebuild", "--database", "tenant-7"}), 0)
      << errors_;
  EXPECT_THAT(output_, HasSubstr("rebuild-index-1 has begun"));
  EXPECT_EQ(engram_.indexes.rebuilt, "tenant-7");
  EXPECT_EQ(engram_.operations.questions, 0);

  auto& outcome = engram_.operations.outcome;
  outcome.set_name("rebuild-index-1");
  outcome.set_state(common::v1::Operation::STATE_SUCCEEDED);
  outcome.mutable_progress()->set_done(1234);
  EXPECT_EQ(Engramctl({"index", "rebuild", "--wait"}), 0) << errors_;
  EXPECT_EQ(output_, "rebuilt from 1,234 records\n");
  EXPECT_EQ(engram_.operations.questions, 2);

  outcome.set_state(common::v1::Operation::STATE_CANCELLED);
  outcome.mutable_error()->set_code(1);
  outcome.mutable_error()->set_message("cancelled");
  EXPECT_EQ(Engramctl({"index", "rebuild", "--wait"}), 1);
  EXPECT_THAT(errors_, HasSubstr("CANCELLED: cancelled"));
}

TEST_F(IndexCliTest, WaitsForAPosition) {
  CreateNotes();
  {
    absl::MutexLock lock(&engram_.indexes.mutex);
    engram_.indexes.waits = {absl::DeadlineExceededError("not yet")};
  }
  EXPECT_EQ(Engramctl({"index", "wait", kPosition}), 0) << errors_;
  EXPECT_EQ(output_,
            "everything up to default@0000000000000001.5 can be found\n");
  absl::MutexLock lock(&engram_.indexes.mutex);
  EXPECT_THAT(engram_.indexes.awaited, ElementsAre(kPosition, kPosition));
}

TEST_F(IndexCliTest, WaitNeedsAPosition) {
  EXPECT_EQ(Engramctl({"index", "wait", "soon"}), 1);
  EXPECT_THAT(errors_, HasSubstr("soon"));
}

TEST_F(IndexCliTest, ShowsTheGroupsOfDuplicates) {
  search::v1::FindDuplicatesResult result;
  result.set_position(kPosition);
  result.set_group_count(2);
  result.set_record_count(1005);
  for (const int64_t count : {1000, 5}) {
    auto* group = result.add_groups();
    group->set_record_count(count);
    group->set_weakest_score(0.975f);
    group->add_ids("n1");
    group->add_ids("n2");
  }
  auto& outcome = engram_.operations.outcome;
  outcome.set_state(common::v1::Operation::STATE_SUCCEEDED);
  outcome.mutable_result()->PackFrom(result);
  EXPECT_EQ(Engramctl({"duplicates", "notes", "--min-score", "0.9", "--limit",
                       "7", "--filter", "kind = :k", "--param", "k=fact"}),
            0)
      << errors_;
  EXPECT_EQ(output_,
            "1,005 records in 2 groups at default@0000000000000001.5\n"
            "RECORDS  WEAKEST  IDS\n"
            "  1,000    0.975  n1 n2\n"
            "      5    0.975  n1 n2\n");
  const auto& request = engram_.search.last_duplicates;
  EXPECT_EQ(request.collection(), "notes");
  EXPECT_FLOAT_EQ(request.min_score(), 0.9f);
  EXPECT_EQ(request.limit(), 7);
  EXPECT_EQ(request.filter(), "kind = :k");
  EXPECT_EQ(request.parameters().fields().at("k").string_value(), "fact");

  EXPECT_EQ(Engramctl({"duplicates", "notes", "--json"}), 0) << errors_;
  EXPECT_FALSE(engram_.search.last_duplicates.has_min_score());
  EXPECT_EQ(Json().fields().at("groups").list_value().values_size(), 2);
}

}  // namespace
}  // namespace engram::engramctl
