#include "tools/engramctl/import_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;

class ImportJournalTest : public ::testing::Test {
 protected:
  ImportJournalTest() {
    options_.state_path = directory_.File("f.import-state");
    options_.rejects_path = directory_.File("f.rejects.jsonl");
    options_.replaces_rejects = true;
    options_.identity = "default/notes";
  }

  static ImportResult Done(int64_t line, int64_t rejected) {
    ImportResult done;
    done.line = line;
    done.bytes = 10 * line;
    done.hash = 0xfedcba9876543210;
    done.records = line - rejected;
    done.rejected = rejected;
    done.position = "default@0000000000000001.5";
    return done;
  }

  std::string Rejects() {
    std::ostringstream text;
    text << std::ifstream(options_.rejects_path).rdbuf();
    return text.str();
  }

  engram::testing::TempDirectory directory_;
  JournalOptions options_;
};

TEST_F(ImportJournalTest, GoesOnWhereItStopped) {
  ASSERT_OK_AND_ASSIGN(auto first, ImportJournal::Open(options_));
  const std::string run = first->start().run_id;
  ASSERT_OK(first->Commit({{7, "is bad", "{\"a\":\n\"b\""}}, Done(20, 1)));
  ASSERT_OK(first->Stop());
  EXPECT_EQ(Rejects(),
            "{\"line\":7,\"reason\":\"is bad\",\"text\":\"{\\\"a\\\":\\n"
            "\\\"b\\\"\"}\n");

  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--resume"));
  options_.resume = true;
  ASSERT_OK_AND_ASSIGN(auto second, ImportJournal::Open(options_));
  const ImportResult& done = second->start().done;
  EXPECT_EQ(second->start().run_id, run);
  EXPECT_EQ(done.line, 20);
  EXPECT_EQ(done.bytes, 200);
  EXPECT_EQ(done.hash, 0xfedcba9876543210);
  EXPECT_EQ(done.records, 19);
  EXPECT_EQ(done.rejected, 1);
  EXPECT_EQ(done.position, "default@0000000000000001.5");

  ASSERT_OK(second->Complete());
  EXPECT_FALSE(std::filesystem::exists(options_.state_path));
  EXPECT_TRUE(std::filesystem::exists(options_.rejects_path));
}

// After a crash: what was rejected since the state was saved comes again.
TEST_F(ImportJournalTest, RejectsThatTheStateDoesNotKnowComeOnce) {
  ASSERT_OK_AND_ASSIGN(auto first, ImportJournal::Open(options_));
  ASSERT_OK(first->Commit({{1, "bad", "one"}}, Done(10, 1)));
  ASSERT_OK(first->Stop());
  ASSERT_OK(first->Commit({{12, "bad", "two"}}, Done(20, 2)));
  first.reset();  // Within a second of the last save.

  options_.resume = true;
  ASSERT_OK_AND_ASSIGN(auto second, ImportJournal::Open(options_));
  EXPECT_EQ(second->start().done.line, 10);
  ASSERT_OK(second->Commit({{12, "bad", "two"}}, Done(20, 2)));
  EXPECT_EQ(Rejects(),
            "{\"line\":1,\"reason\":\"bad\",\"text\":\"one\"}\n"
            "{\"line\":12,\"reason\":\"bad\",\"text\":\"two\"}\n");
}

TEST_F(ImportJournalTest, RejectedBytesThatAreNoTextAreKeptToo) {
  ASSERT_OK_AND_ASSIGN(auto journal, ImportJournal::Open(options_));
  ASSERT_OK(journal->Commit({{1, "bad", "\xff"}}, Done(1, 1)));
  EXPECT_EQ(Rejects(),
            "{\"line\":1,\"reason\":\"bad\",\"text_base64\":\"/w==\"}\n");
}

TEST_F(ImportJournalTest, WithoutAStateItBeginsAtTheBeginning) {
  options_.resume = true;
  ASSERT_OK_AND_ASSIGN(auto journal, ImportJournal::Open(options_));
  EXPECT_EQ(journal->start().done.bytes, 0);
}

TEST_F(ImportJournalTest, AnotherImportsStateIsRefused) {
  ASSERT_OK(ImportJournal::Open(options_));
  options_.resume = true;
  options_.identity = "default/other";
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, "default/notes"));
  std::ofstream(options_.state_path) << "{}";
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, "no state"));
}

TEST_F(ImportJournalTest, ANewImportLeavesNoRejectsOfAnOldOne) {
  std::ofstream(options_.rejects_path) << "old\n";
  options_.replaces_rejects = false;
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "exists"));
  options_.replaces_rejects = true;
  ASSERT_OK(ImportJournal::Open(options_));
  EXPECT_FALSE(std::filesystem::exists(options_.rejects_path));
}

TEST_F(ImportJournalTest, WhereNoStateCanBeWrittenItIsOptionalOrAnError) {
  options_.state_path = directory_.File("no/such/folder/state");
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kNotFound, "no/such/folder"));
  options_.state_is_optional = true;
  ASSERT_OK_AND_ASSIGN(auto journal, ImportJournal::Open(options_));
  EXPECT_FALSE(journal->resumable().ok());
  EXPECT_OK(journal->Commit({{1, "bad", "x"}}, Done(1, 1)));
  EXPECT_OK(journal->Complete());
}

TEST_F(ImportJournalTest, RejectsThatWereLostAreNoticed) {
  ASSERT_OK_AND_ASSIGN(auto journal, ImportJournal::Open(options_));
  ASSERT_OK(journal->Commit({{1, "bad", "x"}}, Done(1, 1)));
  ASSERT_OK(journal->Stop());
  std::filesystem::resize_file(options_.rejects_path, 3);
  options_.resume = true;
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kDataLoss, "lost"));
  std::filesystem::remove(options_.rejects_path);
  EXPECT_THAT(ImportJournal::Open(options_),
              StatusIs(absl::StatusCode::kDataLoss, "no "));
}

}  // namespace
}  // namespace engram::engramctl
