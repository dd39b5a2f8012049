// The agentic CMS (SYSTEMS.md, seed 001): the rules of its pages, definitions,
// entries, images and sessions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/substitute.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class AgenticCmsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  absl::StatusOr<v1::WriteResult> CreatePage(const std::string& environment,
                                             const std::string& slug) {
    return system_.Create(
        "pages", "",
        absl::Substitute(
            R"({"site_id": "site", "environment_id": "$0", "slug": "$1", "name": "N"})",
            environment, slug));
  }

  // Publishes an entry, which dates it the first time only.
  absl::Status Publish(const std::string& entry) {
    v1::WriteItem item =
        UpdateItem("collection_entries", entry, R"({"status": "published"})");
    v1::Transform& stamp = *item.add_transforms();
    stamp.set_field("published_at");
    stamp.mutable_set_now()->set_if_absent(true);
    return system_.Write(item).status();
  }

  // Gives every vector that is owed.
  void EmbedAll() {
    const auto leased = system_.storage().Lease(kFingerprint, 4096);
    ASSERT_OK(leased);
    for (const v1::OutboxEntry& entry : leased->entries()) {
      ASSERT_OK(system_.storage().Put(entry, {{1, 0, 0, 0}}));
    }
  }

  System system_{"agentic-cms"};
};

TEST_F(AgenticCmsTest, ASlugIsFreeInAnotherEnvironment) {
  ASSERT_OK(system_.Create("environments", "staging",
                           R"({"site_id": "site", "name": "staging"})"));
  EXPECT_OK(CreatePage("staging", "about-us"));
  EXPECT_THAT(CreatePage("production", "about-us"),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(AgenticCmsTest, ASlugIsTwoToSixtyFourSmallLettersDigitsAndHyphens) {
  EXPECT_OK(CreatePage("production", std::string(64, 'x')));
  for (const std::string slug : {"x", "About", "a b", "ä-b"}) {
    EXPECT_THAT(CreatePage("production", slug),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << slug;
  }
  EXPECT_THAT(CreatePage("production", std::string(65, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AgenticCmsTest, AnEntryOfAnotherCollectionIsNeverOverwritten) {
  ASSERT_OK(system_.Create(
      "collection_definitions", "news",
      R"({"slug": "news", "name": "News", "elements_structure": {}})"));
  const char same_slug[] =
      R"({"collection_id": "news", "slug": "first-anvil", "title": "Else"})";
  ASSERT_OK_AND_ASSIGN(const auto created,
                       system_.Upsert("collection_entries", "", same_slug));
  EXPECT_EQ(created.outcome(), v1::WriteResult::OUTCOME_CREATED);
  EXPECT_EQ(system_.Field("collection_entries", created.id(), "status"),
            R"("draft")");
  ASSERT_OK_AND_ASSIGN(const auto updated,
                       system_.Upsert("collection_entries", "", R"({
          "collection_id": "blog", "slug": "first-anvil", "title": "Better"})"));
  EXPECT_EQ(updated.id(), "entry");
  EXPECT_EQ(updated.outcome(), v1::WriteResult::OUTCOME_UPDATED);
  EXPECT_EQ(system_.Field("collection_entries", "entry", "author"),
            R"("Wile")");
}

TEST_F(AgenticCmsTest, AnEntryIsDatedWhenItIsFirstPublished) {
  ASSERT_OK(system_.Create("collection_entries", "second", R"({
      "collection_id": "blog", "slug": "second-anvil", "title": "The second"})"));
  ASSERT_OK(Publish("second"));
  const std::string date = R"("2027-01-15T08:00:00Z")";
  EXPECT_EQ(system_.Field("collection_entries", "second", "published_at"),
            date);
  system_.clock().Advance(absl::Hours(24));
  ASSERT_OK(system_.Update("collection_entries", "second",
                           R"({"status": "archived"})"));
  ASSERT_OK(Publish("second"));
  EXPECT_EQ(system_.Field("collection_entries", "second", "status"),
            R"("published")");
  EXPECT_EQ(system_.Field("collection_entries", "second", "published_at"),
            date);
}

TEST_F(AgenticCmsTest, AnEntrysContentOfALanguageIsReplaced) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Upsert("entry_contents", "", R"({
          "entry_id": "entry", "locale_code": "en", "content": {"lead": "New"}})"));
  EXPECT_EQ(result.id(), "entry-content");
  EXPECT_EQ(system_.Field("entry_contents", "entry-content", "content"),
            R"({"lead":"New"})");
}

TEST_F(AgenticCmsTest, ADefinitionInUseCannotBeDeleted) {
  EXPECT_EQ(ReasonOf(system_.Delete("section_definitions", "hero").status()),
            ErrorReason::ERROR_REASON_RECORD_REFERENCED);
  ASSERT_OK(system_.Delete("page_sections", "page-section"));
  EXPECT_EQ(ReasonOf(system_.Delete("section_definitions", "hero").status()),
            ErrorReason::ERROR_REASON_RECORD_REFERENCED);
  ASSERT_OK(system_.Delete("section_entries", "section-entry"));
  EXPECT_OK(system_.Delete("section_definitions", "hero"));
}

TEST_F(AgenticCmsTest, DefinitionsOfTheDocumentHaveNoKey) {
  for (const char* id : {"features", "footer"}) {
    EXPECT_OK(system_.Create(
        "section_definitions", id,
        R"({"name": "Features", "schema": {"type": "object"}})"));
  }
}

TEST_F(AgenticCmsTest, ATeamTakesAllThatIsInItAlong) {
  ASSERT_OK(system_.Delete("teams", "team"));
  for (const char* collection :
       {"sites", "environments", "pages", "page_sections",
        "page_section_contents", "page_section_images", "section_entries",
        "posts", "media", "navigations", "navigation_items"}) {
    EXPECT_THAT(system_.Ids(collection), IsEmpty()) << collection;
  }
  // What belongs to no site stays.
  for (const char* collection :
       {"section_definitions", "collection_entries", "images", "locales"}) {
    EXPECT_THAT(system_.Ids(collection), SizeIs(1)) << collection;
  }
}

TEST_F(AgenticCmsTest, ACollectionTakesEntriesContentsAndVectorsAlong) {
  EmbedAll();
  ASSERT_OK(system_.Delete("collection_definitions", "blog"));
  EXPECT_THAT(system_.Ids("collection_entries"), IsEmpty());
  EXPECT_THAT(system_.Ids("entry_contents"), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto coverage,
                       system_.storage().Coverage("collection_entries"));
  ASSERT_EQ(coverage.vector_fields_size(), 1);
  EXPECT_EQ(coverage.vector_fields(0).embedded(), 0);
}

TEST_F(AgenticCmsTest, ASiteForgetsAnEnvironmentThatIsGone) {
  ASSERT_OK(system_.Delete("environments", "production"));
  EXPECT_EQ(system_.Field("sites", "site", "default_environment_id"), "null");
}

TEST_F(AgenticCmsTest, AMenuItemTakesThoseBelowItAlong) {
  ASSERT_OK(system_.Delete("navigation_items", "menu-home"));
  EXPECT_THAT(system_.Ids("navigation_items"), IsEmpty());
}

TEST_F(AgenticCmsTest, TheSameImageAgainIsRefusedByTheNameOfTheFirst) {
  EXPECT_THAT(system_.Create("images", "again", R"({
                  "filename": "b.jpg", "original_filename": "b.jpg", "media_type": "image/jpeg",
                  "file_size": 1, "sha256_hash": "2cf24dba5fb0"})"),
              StatusIs(absl::StatusCode::kAlreadyExists, "image"));
}

TEST_F(AgenticCmsTest, ImagesWithoutAHashAreAllDifferent) {
  const char image[] = R"({"filename": "b.jpg", "original_path": "b.jpg",
                           "mime_type": "image/jpeg", "size": 1})";
  EXPECT_OK(system_.Create("images", "b", image));
  EXPECT_OK(system_.Create("images", "c", image));
  EXPECT_EQ(system_.Field("images", "c", "status"), R"("pending")");
}

TEST_F(AgenticCmsTest, VariantsMadeAgainAreReplaced) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Upsert("image_variants", "", R"({
          "image_id": "image", "variant_type": "small", "format": "webp", "width": 640, "height": 480,
          "file_path": "variants/new.webp", "file_size": 1000})"));
  EXPECT_EQ(result.id(), "variant");
  EXPECT_EQ(system_.Field("image_variants", "variant", "file_size"), "1000");
}

TEST_F(AgenticCmsTest, WhatTheAiSaysAgainKeepsWhereTheImageIsFrom) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Upsert("image_metadata", "", R"({
          "image_id": "image", "description": "A falling anvil", "source": "unsplash:abc"})"));
  EXPECT_EQ(result.id(), "image-metadata");
  EXPECT_EQ(system_.Field("image_metadata", "image-metadata", "source"),
            R"("pexels:12345")");
  EXPECT_EQ(system_.Field("image_metadata", "image-metadata", "description"),
            R"("A falling anvil")");
}

TEST_F(AgenticCmsTest, SettingsAreWrittenByKey) {
  ASSERT_OK_AND_ASSIGN(const auto result,
                       system_.Upsert("site_settings", "", R"({
                           "key": "navigation", "value": []})"));
  EXPECT_EQ(result.id(), "setting");
  EXPECT_EQ(system_.Field("site_settings", "setting", "value"), "[]");
}

TEST_F(AgenticCmsTest, ASessionKnowsItsMessages) {
  EXPECT_EQ(system_.Field("sessions", "session", "message_count"), "1");
  system_.clock().Advance(absl::Hours(1));
  ASSERT_OK(system_.Create("messages", "m2", R"({
      "session_id": "session", "role": "user", "content": "Again"})"));
  EXPECT_EQ(system_.Field("sessions", "session", "message_count"), "2");
  EXPECT_EQ(system_.Field("sessions", "session", "last_activity"),
            R"("2027-01-15T09:00:00Z")");
  ASSERT_OK(system_.DeleteWhere("messages", R"(session_id = "session")"));
  EXPECT_EQ(system_.Field("sessions", "session", "message_count"), "0");
  EXPECT_EQ(system_.Field("sessions", "session", "last_activity"), "null");
}

TEST_F(AgenticCmsTest, AMessageNeedsItsSession) {
  EXPECT_EQ(ReasonOf(system_
                         .Create("messages", "m2", R"({
                             "session_id": "nobody", "role": "user", "content": "Hello"})")
                         .status()),
            ErrorReason::ERROR_REASON_REFERENCE_MISSING);
}

TEST_F(AgenticCmsTest, ALogsIndexIsUsedOnce) {
  EXPECT_EQ(system_.Field("sessions", "session", "last_conversation_index"),
            "1");
  const char log[] = R"({"session_id": "session", "conversation_index": 1,
      "user_prompt": "Hello", "started_at": "2026-01-01T00:00:00Z"})";
  EXPECT_THAT(system_.Create("conversation_logs", "", log),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(system_.Field("conversation_logs", "log", "input_tokens"), "120");
}

TEST_F(AgenticCmsTest, APageIsEmbeddedAgainWhenItsTextChanges) {
  EmbedAll();
  ASSERT_OK(system_.Update("pages", "page", R"({"indexing": false})"));
  ASSERT_OK_AND_ASSIGN(const auto idle, system_.storage().Lease(kFingerprint));
  EXPECT_EQ(idle.entries_size(), 0);
  ASSERT_OK(system_.Update("pages", "page", R"({"title": "Who we are"})"));
  ASSERT_OK_AND_ASSIGN(const auto owed, system_.storage().Lease(kFingerprint));
  ASSERT_EQ(owed.entries_size(), 1);
  EXPECT_EQ(owed.entries(0).text(),
            "Who we are\nAbout\nabout-us\nWe make anvils.");
}

TEST_F(AgenticCmsTest, AnImageOfTheDocumentIsEmbeddedByWhatItsMetadataSays) {
  EXPECT_EQ(system_.Field("images", "image", "description"),
            R"("An anvil in mid-air")");
  EmbedAll();
  ASSERT_OK(
      system_.Update("images", "image",
                     R"({"metadata": {"description": "A dropped anvil"}})"));
  ASSERT_OK_AND_ASSIGN(const auto owed, system_.storage().Lease(kFingerprint));
  ASSERT_EQ(owed.entries_size(), 1);
  EXPECT_EQ(owed.entries(0).text(), "A dropped anvil");
}

}  // namespace
}  // namespace engram::systems
