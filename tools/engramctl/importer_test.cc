#include "tools/engramctl/importer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;
using schema::FieldSpec;
using schema::FieldType;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;
using storage::v1::WriteResult;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
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
    spec_.name = "packages";
    for (const char* name : {"n", "key", "bad"}) {
      FieldSpec& field = spec_.fields.emplace_back();
      field.name = name;
      field.type = FieldType::kInt;
    }
    FieldSpec& parent = spec_.fields.emplace_back();
    parent.name = "parent";
    parent.type = FieldType::kRef;
    parent.target = "packages";
    start_.run_id = "run";
  }

  // As storage answers: a repeat of a request gets the first answer.
  absl::StatusOr<WriteResponse> Write(const WriteRequest& request) {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    batch_sizes_.push_back(request.items_size());
    request_ids_.push_back(request.request_id());
    EXPECT_FALSE(request.atomic());
    if (absl::Status status = fail_(request); !status.ok()) return status;
    const auto repeat = answers_.find(request.request_id());
    if (repeat != answers_.end()) return repeat->second;
    WriteResponse response;
    for (int i = 0; i < request.items_size(); ++i) {
      WriteItem(request.items(i).upsert(), i, *response.add_results());
    }
    response.set_position(
        Position{.database = "default", .epoch = 1, .sequence = ++sequence_}
            .ToString());
    answers_[request.request_id()] = response;
    return response;
  }

  void WriteItem(const storage::v1::Record& record, int index,
                 WriteResult& result) {
    const auto& fields = record.fields().fields();
    const auto parent = fields.find("parent");
    if (fields.contains("bad")) {
      google::rpc::BadRequest bad_request;
      auto* violation = bad_request.add_field_violations();
      violation->set_field(
          absl::StrCat("items[", index, "].upsert.fields.bad"));
      violation->set_description("is bad");
      result.mutable_error()->add_details()->PackFrom(bad_request);
      result.set_outcome(WriteResult::OUTCOME_FAILED);
      return;
    }
    if (parent != fields.end() &&
        !records_.contains(parent->second.string_value())) {
      result.mutable_error()->set_message("no such parent");
      result.set_outcome(WriteResult::OUTCOME_FAILED);
      return;
    }
    std::string id = record.id();
    if (id.empty()) id = absl::StrCat("made-up-", records_.size());
    records_[id] = record;
    result.set_outcome(WriteResult::OUTCOME_CREATED);
  }

  absl::Status Import(const std::string& text) {
    std::istringstream in(text);
    auto source = OpenRecordSource(RecordFormat::kJsonLines, in, spec_, "id");
    EXPECT_OK(source);
    Importer importer(
        options_, start_, spec_,
        [this](const WriteRequest& request) { return Write(request); },
        [this](const std::vector<RejectedRecord>& rejects,
               const ImportResult& done) {
          if (!commit_.ok()) return commit_;
          for (const RejectedRecord& reject : rejects) {
            rejects_.push_back(absl::StrCat(reject.line, ": ", reject.reason,
                                            " <- ", reject.text));
          }
          committed_ = done;
          return absl::OkStatus();
        });
    const absl::Status status =
        importer.Run(**source, [](const ImportResult&) {});
    result_ = importer.result();
    EXPECT_EQ(result_.line, committed_.line);
    return status;
  }

  // An import that goes on where the last one ended.
  void Resume() { start_.done = committed_; }

  static std::string Lines(int from, int to) {
    std::string text;
    for (int i = from; i <= to; ++i) {
      absl::StrAppend(&text, "{\"id\":\"r", i, "\",\"n\":", i, "}\n");
    }
    return text;
  }

  ImportOptions options_;
  ImportStart start_;
  schema::CollectionSpec spec_;
  ImportResult result_;
  ImportResult committed_;
  std::vector<std::string> rejects_;
  // What the next commits return.
  absl::Status commit_;
  // Called for each write before anything is kept.
  std::function<absl::Status(const WriteRequest&)> fail_ =
      [](const WriteRequest&) { return absl::OkStatus(); };
  absl::Mutex mutex_;
  std::map<std::string, storage::v1::Record> records_;
  std::map<std::string, WriteResponse> answers_;
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
  EXPECT_EQ(result_.line, 95);
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

TEST_F(ImporterTest, ALineThatIsNoRecordIsRejectedAndTheOthersStored) {
  struct Case {
    const char* line;
    const char* reject;
  };
  const Case kCases[] = {
      {"not json", "34: is not a JSON object <- not json"},
      {"[1]", "34: is not a JSON object <- [1]"},
      {"{\"id\":", "34: is not JSON"},
      {"{\"id\":\"\xff\"}", "34: is not valid UTF-8"},
      {"{\"id\":\"\"}", "34: id: is empty"},
      {"{\"id\":null}", "34: id: is no string"},
      {"{\"id\":1.5}", "34: id: is no string"},
      {"{\"id\":{}}", "34: id: is no string"},
  };
  for (const Case& c : kCases) {
    records_.clear();
    answers_.clear();
    rejects_.clear();
    EXPECT_OK(Import(Lines(1, 33) + c.line + "\n" + Lines(35, 90)));
    EXPECT_THAT(records_, SizeIs(89)) << c.line;
    EXPECT_EQ(result_.records, 89);
    EXPECT_EQ(result_.rejected, 1);
    EXPECT_THAT(rejects_, ElementsAre(::testing::StartsWith(c.reject)));
  }
}

TEST_F(ImporterTest, WhatTheServerRefusesIsRejectedInTheOrderOfTheInput) {
  options_.batch_records = 3;
  ASSERT_OK(Import("{\"id\":\"x\",\"bad\":1}\n" + Lines(2, 3) +
                   "oops\n"
                   "{\"id\":\"y\",\"bad\":2}\n" +
                   Lines(6, 40)));
  EXPECT_THAT(rejects_,
              ElementsAre("1: fields.bad: is bad <- {\"id\":\"x\",\"bad\":1}",
                          "4: is not a JSON object <- oops",
                          "5: fields.bad: is bad <- {\"id\":\"y\",\"bad\":2}"));
  EXPECT_THAT(records_, SizeIs(37));
  EXPECT_EQ(result_.records, 37);
  EXPECT_EQ(result_.rejected, 3);
}

TEST_F(ImporterTest, OnlyTheRecordThatIsTooLargeIsRejected) {
  fail_ = [](const WriteRequest& request) {
    return request.ByteSizeLong() > 500
               ? absl::ResourceExhaustedError("message larger than max")
               : absl::OkStatus();
  };
  ASSERT_OK(Import(Lines(1, 4) + "{\"id\":\"" + std::string(600, 'x') +
                   "\"}\n" + Lines(6, 10)));
  EXPECT_THAT(records_, SizeIs(9));
  EXPECT_THAT(rejects_,
              ElementsAre(::testing::StartsWith("5: message larger than max")));
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
  EXPECT_EQ(result_.line, 20);
  EXPECT_EQ(result_.records, 20);
}

TEST_F(ImporterTest, RejectsThatCannotBeKeptEndTheImport) {
  commit_ = absl::UnavailableError("disk full");
  EXPECT_THAT(Import(Lines(1, 500)),
              StatusIs(absl::StatusCode::kUnavailable, "disk full"));
  EXPECT_EQ(result_.line, 0);
  EXPECT_LT(records_.size(), 500);
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

// Batches after the one that failed may have been written: they are sent again
// under the same request ids.
TEST_F(ImporterTest, AnImportThatGoesOnWritesEveryRecordOnce) {
  std::string text;
  for (int i = 1; i <= 100; ++i) {
    // Without ids: a second write would be a second record.
    absl::StrAppend(&text, "{\"n\":", i, i % 30 == 0 ? ",\"bad\":1" : "",
                    "}\n");
  }
  fail_ = [](const WriteRequest& request) {
    const auto& first = request.items(0).upsert().fields().fields();
    return first.at("n").number_value() == 41
               ? absl::InternalError("interrupted")
               : absl::OkStatus();
  };
  EXPECT_THAT(Import(text),
              StatusIs(absl::StatusCode::kInternal, "lines 41 to 50"));
  EXPECT_EQ(committed_.line, 40);
  EXPECT_EQ(committed_.records, 39);

  fail_ = [](const WriteRequest&) { return absl::OkStatus(); };
  Resume();
  ASSERT_OK(Import(text));
  EXPECT_THAT(records_, SizeIs(97));
  EXPECT_EQ(result_.records, 97);
  EXPECT_EQ(result_.rejected, 3);
  EXPECT_THAT(rejects_, SizeIs(3));
}

TEST_F(ImporterTest, AnInputThatChangedIsNotGoneOnWith) {
  ASSERT_OK(Import(Lines(1, 20)));
  Resume();
  EXPECT_THAT(Import(Lines(2, 40)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "up to line 20"));
  // What was added to its end is no change.
  ASSERT_OK(Import(Lines(1, 25)));
  EXPECT_EQ(result_.records, 25);
}

// A batch that is held up must not be overtaken by a later one of the same id.
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

TEST_F(ImporterTest, RecordsOfOneUniqueKeyKeepTheirOrder) {
  options_.batch_records = 1;
  spec_.fields[1].unique = true;
  std::vector<double> order;
  fail_ = [&](const WriteRequest& request) {
    const auto& fields = request.items(0).upsert().fields().fields();
    const double n = fields.at("n").number_value();
    // The first of the key comes through at the second try only.
    if (n == 0 && calls_ == 1) {
      return WithRetryDelay(absl::UnavailableError("later"),
                            absl::Milliseconds(50));
    }
    order.push_back(n);
    return absl::OkStatus();
  };
  ASSERT_OK(Import(
      "{\"key\":1,\"n\":0}\n{\"key\":1,\"n\":1}\n{\"key\":1,\"n\":2}\n"));
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_F(ImporterTest, ARecordIsNotSentBeforeTheOneItRefersTo) {
  options_.batch_records = 1;
  fail_ = [&](const WriteRequest& request) {
    return request.items(0).upsert().id() == "r1" && calls_ == 1
               ? WithRetryDelay(absl::UnavailableError("later"),
                                absl::Milliseconds(50))
               : absl::OkStatus();
  };
  ASSERT_OK(Import(Lines(1, 1) + "{\"id\":\"child\",\"parent\":\"r1\"}\n"));
  EXPECT_THAT(rejects_, IsEmpty());
}

TEST_F(ImporterTest, KeepsABoundedNumberOfBatchesUnderWay) {
  options_.in_flight = 3;
  options_.batch_records = 1;
  absl::Mutex mutex;
  int open = 0;
  int most = 0;
  std::istringstream in(Lines(1, 200));
  ASSERT_OK_AND_ASSIGN(
      const auto source,
      OpenRecordSource(RecordFormat::kJsonLines, in, spec_, "id"));
  Importer importer(
      options_, start_, spec_,
      [&](const WriteRequest& request) {
        {
          absl::MutexLock lock(&mutex);
          most = std::max(most, ++open);
        }
        auto response = Write(request);
        absl::MutexLock lock(&mutex);
        --open;
        return response;
      },
      [](const auto&, const auto&) { return absl::OkStatus(); });
  ASSERT_OK(importer.Run(*source, [](const ImportResult&) {}));
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
