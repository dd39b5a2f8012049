#include "tools/engramctl/importer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;
using ::testing::SizeIs;

// Stands for the server: keeps what is written, fails where it is told to.
class ImporterTest : public ::testing::Test {
 protected:
  ImporterTest() {
    options_.collection = "packages";
    options_.input_name = "f.jsonl";
    options_.batch_records = 10;
    options_.first_retry_delay = absl::ZeroDuration();
  }

  absl::StatusOr<WriteResponse> Write(const WriteRequest& request) {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    batch_sizes_.push_back(request.items_size());
    request_ids_.push_back(request.request_id());
    if (absl::Status status = fail_(request); !status.ok()) return status;
    FieldViolations violations;
    for (int i = 0; i < request.items_size(); ++i) {
      const auto& fields = request.items(i).upsert().fields().fields();
      if (fields.count("bad")) {
        violations.Add(absl::StrCat("items[", i, "].upsert.fields.bad"),
                       "is bad");
      }
    }
    if (!violations.empty()) return violations.ToStatus();
    for (const auto& item : request.items()) {
      std::string id = item.upsert().id();
      if (id.empty()) id = absl::StrCat("made-up-", records_.size());
      records_[id] = item.upsert();
    }
    WriteResponse response;
    ++sequence_;
    response.set_position(
        Position{.database = "default", .epoch = 1, .sequence = sequence_}
            .ToString());
    return response;
  }

  absl::Status Import(const std::string& text) {
    std::istringstream in(text);
    LineReader lines(in);
    Importer importer(options_, [this](const WriteRequest& request) {
      return Write(request);
    });
    const absl::Status status = importer.Run(lines, [](const ImportResult&) {});
    result_ = importer.result();
    return status;
  }

  static std::string Lines(int from, int to) {
    std::string text;
    for (int i = from; i <= to; ++i) {
      absl::StrAppend(&text, "{\"id\":\"r", i, "\",\"n\":", i, "}\n");
    }
    return text;
  }

  ImportOptions options_;
  ImportResult result_;
  // Called for each write before anything is kept.
  std::function<absl::Status(const WriteRequest&)> fail_ =
      [](const WriteRequest&) { return absl::OkStatus(); };
  absl::Mutex mutex_;
  std::map<std::string, storage::v1::Record> records_;
  std::vector<int> batch_sizes_;
  std::vector<std::string> request_ids_;
  int64_t sequence_ = 0;
  int calls_ = 0;
};

TEST_F(ImporterTest, StoresEveryLineUnderItsId) {
  const std::string text = Lines(1, 95);
  ASSERT_OK(Import(text));
  EXPECT_THAT(records_, SizeIs(95));
  EXPECT_EQ(records_.at("r7").fields().fields().at("n").number_value(), 7);
  EXPECT_EQ(records_.at("r7").fields().fields_size(), 1);
  EXPECT_EQ(result_.records, 95);
  EXPECT_EQ(result_.bytes, text.size());
  EXPECT_EQ(result_.complete_to_line, 95);
  EXPECT_EQ(result_.position, "default@0000000000000001.10");
}

TEST_F(ImporterTest, SendsBatchesOfLimitedRecordsAndBytes) {
  ASSERT_OK(Import(Lines(1, 25)));
  EXPECT_THAT(batch_sizes_, ::testing::UnorderedElementsAre(10, 10, 5));
  batch_sizes_.clear();
  options_.batch_bytes = 1;
  ASSERT_OK(Import(Lines(1, 3)));
  EXPECT_THAT(batch_sizes_, ElementsAre(1, 1, 1));
}

TEST_F(ImporterTest, TakesIdsFromAnotherKeyAndNumbers) {
  options_.id_field = "key";
  ASSERT_OK(
      Import("{\"key\":5,\"id\":\"x\"}\n"
             "{\"key\":9007199254740993}\n\n"
             "{\"key\":\"a b\"}"));
  EXPECT_EQ(records_.count("5"), 1);
  EXPECT_EQ(records_.at("5").fields().fields().count("id"), 1);
  EXPECT_EQ(records_.count("9007199254740993"), 1);
  EXPECT_EQ(records_.count("a b"), 1);
}

TEST_F(ImporterTest, StopsAtALineThatIsNoRecordAndStoresAllBefore) {
  struct Case {
    const char* line;
    const char* problem;
  };
  const Case kCases[] = {
      {"not json", "f.jsonl:34: is not a JSON object"},
      {"[1]", "f.jsonl:34: is not a JSON object"},
      {"{\"id\":", "f.jsonl:34: is not JSON"},
      {"{\"id\":\"\xff\"}", "f.jsonl:34: is not valid UTF-8"},
      {"{\"id\":\"\"}", "f.jsonl:34: id: is empty"},
      {"{\"id\":null}", "f.jsonl:34: id: is no string"},
      {"{\"id\":1.5}", "f.jsonl:34: id: is no string"},
      {"{\"id\":{}}", "f.jsonl:34: id: is no string"},
  };
  for (const Case& c : kCases) {
    records_.clear();
    EXPECT_THAT(Import(Lines(1, 33) + c.line + "\n" + Lines(35, 90)),
                StatusIs(absl::StatusCode::kInvalidArgument, c.problem));
    EXPECT_THAT(records_, SizeIs(33)) << c.line;
    EXPECT_EQ(result_.records, 33);
    EXPECT_EQ(result_.complete_to_line, 33);
    EXPECT_EQ(result_.records_after, 0);
  }
}

TEST_F(ImporterTest, NamesTheLineThatTheServerRefusesAndStoresAllBefore) {
  const absl::Status status =
      Import(Lines(1, 36) + "\n{\"id\":\"x\",\"bad\":1}\n" +
             "{\"id\":\"y\",\"bad\":1}\n" + Lines(40, 99));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "f.jsonl:38: fields.bad: is bad; "
                               "f.jsonl:39: fields.bad: is bad"));
  for (int i = 1; i <= 36; ++i) {
    EXPECT_EQ(records_.count(absl::StrCat("r", i)), 1) << i;
  }
  EXPECT_EQ(records_.count("x"), 0);
  EXPECT_EQ(result_.complete_to_line, 37);
  EXPECT_EQ(result_.records, records_.size());
  EXPECT_EQ(result_.records_after, records_.size() - 36);
  // No more than what was under way already.
  EXPECT_LE(result_.records_after, 30);
}

TEST_F(ImporterTest, TheFirstOfSeveralRefusedLinesIsReported) {
  std::string text;
  for (int i = 1; i <= 100; ++i) {
    absl::StrAppend(&text, "{\"id\":\"r", i, "\"", i > 15 ? ",\"bad\":1" : "",
                    "}\n");
  }
  EXPECT_THAT(Import(text),
              StatusIs(absl::StatusCode::kInvalidArgument, "f.jsonl:16: "));
  EXPECT_EQ(result_.records, 15);
  EXPECT_EQ(result_.complete_to_line, 15);
}

TEST_F(ImporterTest, AnErrorAboutNoRecordNamesTheLinesOfItsBatch) {
  fail_ = [](const WriteRequest& request) {
    return request.items(0).upsert().id() == "r21"
               ? absl::NotFoundError("no collection")
               : absl::OkStatus();
  };
  EXPECT_THAT(Import(Lines(1, 40)),
              StatusIs(absl::StatusCode::kNotFound,
                       "f.jsonl: lines 21 to 30: no collection"));
  EXPECT_EQ(result_.complete_to_line, 20);
}

TEST_F(ImporterTest, RepeatsWhatNothingTook) {
  int failures = 0;
  fail_ = [&](const WriteRequest&) {
    if (++failures > 7) return absl::OkStatus();
    if (failures % 2 == 0) return absl::UnavailableError("connection reset");
    return WithRetryDelay(
        MakeError(absl::StatusCode::kResourceExhausted,
                  common::v1::ERROR_REASON_OVERLOADED, "the queue is full"),
        absl::ZeroDuration());
  };
  ASSERT_OK(Import(Lines(1, 30)));
  EXPECT_THAT(records_, SizeIs(30));
  EXPECT_EQ(result_.retries, 7);
  EXPECT_EQ(calls_, 3 + 7);
}

TEST_F(ImporterTest, GivesUpWhenNothingTakesABatchForLong) {
  options_.retry_for = absl::ZeroDuration();
  options_.first_retry_delay = absl::Milliseconds(1);
  fail_ = [](const WriteRequest&) { return absl::UnavailableError("gone"); };
  EXPECT_THAT(Import(Lines(1, 5)),
              StatusIs(absl::StatusCode::kUnavailable, "lines 1 to 5: gone"));
  EXPECT_EQ(result_.records, 0);
}

TEST_F(ImporterTest, DoesNotRepeatWhatCannotSucceed) {
  fail_ = [](const WriteRequest&) {
    return MakeError(absl::StatusCode::kUnavailable,
                     common::v1::ERROR_REASON_DURABILITY_UNKNOWN,
                     "sync failed");
  };
  EXPECT_THAT(Import(Lines(1, 5)),
              StatusIs(absl::StatusCode::kUnavailable, "sync failed"));
  EXPECT_EQ(calls_, 1);
}

TEST_F(ImporterTest, RecordsWithoutAnIdCanBeSentAgainUnderTheSameRequestId) {
  int failures = 0;
  fail_ = [&](const WriteRequest&) {
    return ++failures == 1 ? absl::UnavailableError("lost answer")
                           : absl::OkStatus();
  };
  ASSERT_OK(Import("{\"n\":1}\n{\"n\":2}\n"));
  ASSERT_THAT(request_ids_, SizeIs(2));
  EXPECT_FALSE(request_ids_[0].empty());
  EXPECT_EQ(request_ids_[0], request_ids_[1]);

  request_ids_.clear();
  ASSERT_OK(Import(Lines(1, 5)));
  EXPECT_THAT(request_ids_, ElementsAre(""));  // Upserts by id need none.
}

// A batch that is held up must not be overtaken by a later line of the same id.
TEST_F(ImporterTest, TheLastLineOfAnIdStays) {
  options_.batch_records = 1;
  options_.in_flight = 8;
  bool held_up = false;
  fail_ = [&](const WriteRequest& request) {
    const auto& upsert = request.items(0).upsert();
    if (upsert.fields().fields().at("n").number_value() != 0 || held_up) {
      return absl::OkStatus();
    }
    held_up = true;
    return WithRetryDelay(absl::UnavailableError("later"),
                          absl::Milliseconds(50));
  };
  std::string text;
  for (int i = 0; i < 20; ++i)
    absl::StrAppend(&text, "{\"id\":\"a\",\"n\":", i, "}\n");
  ASSERT_OK(Import(text));
  EXPECT_TRUE(held_up);
  EXPECT_EQ(records_.at("a").fields().fields().at("n").number_value(), 19);
}

TEST_F(ImporterTest, KeepsABoundedNumberOfBatchesUnderWay) {
  options_.in_flight = 3;
  options_.batch_records = 1;
  absl::Mutex mutex;
  int open = 0;
  int most = 0;
  std::istringstream in(Lines(1, 200));
  LineReader lines(in);
  Importer importer(options_, [&](const WriteRequest& request) {
    {
      absl::MutexLock lock(&mutex);
      most = std::max(most, ++open);
    }
    auto response = Write(request);
    absl::MutexLock lock(&mutex);
    --open;
    return response;
  });
  ASSERT_OK(importer.Run(lines, [](const ImportResult&) {}));
  EXPECT_THAT(most, AllOf(Ge(1), Le(3)));
  EXPECT_THAT(records_, SizeIs(200));
}

TEST_F(ImporterTest, AnEmptyInputStoresNothing) {
  ASSERT_OK(Import(""));
  ASSERT_OK(Import("\n \n"));
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(result_.position, "");
}

}  // namespace
}  // namespace engram::engramctl
