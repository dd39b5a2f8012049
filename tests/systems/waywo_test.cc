// Waywo (SYSTEMS.md, seed 000): the rules of its posts, comments, projects,
// videos and threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kThread[] = "6f1c2f6e-0d3c-4f0e-9c55-7f4a3f0b7d11";

class WaywoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  absl::StatusOr<v1::WriteResult> CreateProject(const std::string& id) {
    return system_.Create("waywo_projects", id, R"({
        "title": "Tinyvec", "short_description": "Vectors", "description": "Small ones.",
        "hashtags": ["#vectors"], "idea_score": 5, "complexity_score": 5})");
  }

  int64_t Matched(const std::string& collection, const std::string& filter) {
    v1::DeleteWhereRequest request;
    request.set_collection(collection);
    request.set_filter(filter);
    request.set_dry_run(true);
    const auto response = system_.DeleteWhere(request);
    EXPECT_OK(response);
    return response.ok() ? response->matched() : -1;
  }

  System system_{"waywo"};
};

TEST_F(WaywoTest, APostSavedAgainLosesWhatIsNoLongerSent) {
  system_.clock().Advance(absl::Hours(1));
  ASSERT_OK(
      system_.Replace("waywo_posts", "45877000",
                      R"({"title": "Ask HN", "year": 2025, "month": 12})"));
  EXPECT_EQ(system_.Field("waywo_posts", "45877000", "score"), "null");
  EXPECT_EQ(system_.Field("waywo_posts", "45877000", "month"), "12");
  EXPECT_EQ(system_.Field("waywo_posts", "45877000", "type"), R"("story")");
  EXPECT_EQ(system_.Field("waywo_posts", "45877000", "created_at"),
            R"("2025-11-09T18:00:00Z")");
  EXPECT_EQ(system_.Field("waywo_posts", "45877000", "updated_at"),
            R"("2027-01-15T09:00:00Z")");
}

TEST_F(WaywoTest, ACommentSavedAgainStaysProcessed) {
  v1::WriteItem item;
  item.set_collection("waywo_comments");
  item.mutable_upsert()->set_id("45877234");
  *item.mutable_upsert()->mutable_fields() =
      storage::testing::ParseFields(R"({"by": "ada", "text": "Edited."})");
  for (const char* field : {"by", "time", "text", "dead", "deleted", "kids"}) {
    item.mutable_update_mask()->add_paths(field);
  }
  ASSERT_OK(system_.Write(item));
  EXPECT_EQ(system_.Field("waywo_comments", "45877234", "text"),
            R"("Edited.")");
  EXPECT_EQ(system_.Field("waywo_comments", "45877234", "kids"), "null");
  EXPECT_EQ(system_.Field("waywo_comments", "45877234", "processed"), "true");
  EXPECT_EQ(system_.Field("waywo_comments", "45877234", "processed_at"),
            R"("2025-11-10T02:00:00Z")");
}

TEST_F(WaywoTest, AProjectIsAlwaysANewOne) {
  ASSERT_OK_AND_ASSIGN(const auto first, CreateProject(""));
  ASSERT_OK_AND_ASSIGN(const auto second, CreateProject(""));
  EXPECT_NE(first.id(), second.id());
}

TEST_F(WaywoTest, AProjectWithVideosCannotBeDeleted) {
  const auto result = system_.Delete("waywo_projects", "1");
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(result.status()),
            ErrorReason::ERROR_REASON_RECORD_REFERENCED);
  EXPECT_THAT(system_.Ids("waywo_project_submissions"), ElementsAre("1"));
}

TEST_F(WaywoTest, AProjectWithoutVideosTakesItsSubmissionsAlong) {
  ASSERT_OK(system_.Delete("waywo_videos", "1"));
  ASSERT_OK(system_.Delete("waywo_projects", "1"));
  EXPECT_THAT(system_.Ids("waywo_project_submissions"), IsEmpty());
  EXPECT_THAT(system_.Ids("waywo_comments"), ElementsAre("45877234"));
}

TEST_F(WaywoTest, ACleanupOfProjectsLeavesOutThoseWithVideos) {
  ASSERT_OK(CreateProject("2"));
  v1::DeleteWhereRequest request;
  request.set_collection("waywo_projects");
  request.set_filter("idea_score > 1");
  EXPECT_THAT(system_.DeleteWhere(request),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  request.set_skip_referenced(true);
  ASSERT_OK_AND_ASSIGN(const auto response, system_.DeleteWhere(request));
  EXPECT_EQ(response.matched(), 2);
  EXPECT_EQ(response.deleted(), 1);
  EXPECT_EQ(response.skipped(), 1);
  EXPECT_THAT(system_.Ids("waywo_projects"), ElementsAre("1"));
}

TEST_F(WaywoTest, AVideoTakesItsSegmentsAlong) {
  ASSERT_OK(system_.Delete("waywo_videos", "1"));
  EXPECT_THAT(system_.Ids("waywo_video_segments"), IsEmpty());
}

TEST_F(WaywoTest, AProjectsVideosHaveDifferentVersions) {
  const char video[] = R"({"project_id": "1", "version": 1})";
  EXPECT_THAT(system_.Create("waywo_videos", "", video),
              StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(CreateProject("2"));
  EXPECT_OK(system_.Create("waywo_videos", "",
                           R"({"project_id": "2", "version": 1})"));
}

TEST_F(WaywoTest, AVideoIsCompletedOnceFromGenerating) {
  v1::WriteItem item = UpdateItem(
      "waywo_videos", "1", R"({"status": "completed", "error_message": null})");
  item.mutable_condition()->set_filter(R"(status = "generating")");
  v1::Transform& stamp = *item.add_transforms();
  stamp.set_field("completed_at");
  stamp.mutable_set_now();
  const auto early = system_.Write(item);
  EXPECT_THAT(early, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(early.status()),
            ErrorReason::ERROR_REASON_CONDITION_UNMET);
  ASSERT_OK(system_.Update("waywo_videos", "1", R"({"status": "generating"})"));
  ASSERT_OK(system_.Write(item));
  EXPECT_EQ(system_.Field("waywo_videos", "1", "completed_at"),
            R"("2027-01-15T08:00:00Z")");
  EXPECT_EQ(system_.Field("waywo_videos", "1", "error_message"), "null");
}

TEST_F(WaywoTest, AViewIsCountedAndALogLineAppended) {
  v1::WriteItem item = UpdateItem("waywo_videos", "1", "{}");
  v1::Transform& views = *item.add_transforms();
  views.set_field("view_count");
  views.mutable_increment()->set_number_value(1);
  v1::Transform& log = *item.add_transforms();
  log.set_field("workflow_logs");
  log.mutable_append()->mutable_elements()->add_values()->set_string_value(
      "rendered");
  ASSERT_OK(system_.Write(item));
  EXPECT_EQ(system_.Field("waywo_videos", "1", "view_count"), "4");
  EXPECT_EQ(system_.Field("waywo_videos", "1", "workflow_logs"),
            R"(["queued","rendered"])");
}

TEST_F(WaywoTest, ASegmentWithNewWordsNeedsNewSound) {
  // What is left of the old sound would make the segment complete.
  EXPECT_THAT(
      system_.Update("waywo_video_segments", "1",
                     R"({"narration_text": "New.", "audio_path": null})"),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_OK(system_.Update("waywo_video_segments", "1", R"({
      "narration_text": "New.", "audio_path": null, "audio_duration_seconds": null,
      "transcription_json": null, "error_message": null, "status": "pending"})"));
}

TEST_F(WaywoTest, AProjectsVectorIsMadeOfTitleDescriptionAndTags) {
  ASSERT_OK_AND_ASSIGN(const auto leased,
                       system_.storage().Lease(kFingerprint));
  ASSERT_EQ(leased.entries_size(), 1);
  EXPECT_EQ(leased.entries(0).text(),
            "Sheetc\nCompiles spreadsheets to native code.\n"
            "#compilers #spreadsheets");
}

TEST_F(WaywoTest, ATagIsMatchedWhole) {
  EXPECT_EQ(Matched("waywo_projects", R"(hashtags HAS "#compilers")"), 1);
  EXPECT_EQ(Matched("waywo_projects", R"(hashtags HAS "#comp")"), 0);
  EXPECT_EQ(Matched("waywo_projects",
                    R"(hashtags HAS "#x" OR hashtags HAS "#spreadsheets")"),
            1);
}

TEST_F(WaywoTest, AProjectWithoutASourceIsFoundAsOneOfHackerNews) {
  ASSERT_OK(CreateProject("2"));
  EXPECT_EQ(Matched("waywo_projects", R"(source = "hn" OR source IS NULL)"), 2);
  EXPECT_EQ(Matched("waywo_projects", R"(source = "hn")"), 1);
}

TEST_F(WaywoTest, ATurnMovesItsThread) {
  system_.clock().Advance(absl::Hours(1));
  ASSERT_OK(system_.Create(
      "chat_turns", "",
      std::string(R"({"role": "user", "text": "And?", "thread_id": ")") +
          kThread + R"("})"));
  EXPECT_EQ(system_.Field("chat_threads", kThread, "turn_count"), "2");
  EXPECT_EQ(system_.Field("chat_threads", kThread, "last_turn_at"),
            R"("2027-01-15T09:00:00Z")");
  EXPECT_EQ(system_.Field("chat_threads", kThread, "updated_at"),
            R"("2027-01-15T09:00:00Z")");
  ASSERT_OK(system_.Delete("chat_threads", kThread));
  EXPECT_THAT(system_.Ids("chat_turns"), IsEmpty());
}

TEST_F(WaywoTest, ClustersAreReplacedAsAWhole) {
  v1::WriteRequest request;
  v1::WriteItem& old = *request.add_items();
  old.set_collection("cluster_names");
  old.mutable_delete_()->set_id("0");
  for (const char* id : {"1", "2"}) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("cluster_names");
    item.mutable_create()->set_id(id);
    *item.mutable_create()->mutable_fields() =
        storage::testing::ParseFields(R"({"name": "Games"})");
  }
  ASSERT_OK(system_.storage().Write(request));
  EXPECT_THAT(system_.Ids("cluster_names"), UnorderedElementsAre("1", "2"));
}

}  // namespace
}  // namespace engram::systems
