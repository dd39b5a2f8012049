#include "services/storage/record_where.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "google/protobuf/text_format.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/where_progress.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TestDatabase;
using testing::ViolationsOf;

constexpr char kTasks[] = R"(
collection: tasks
fields:
  kind:   {type: string, index: true}
  state:  {type: string, default: open, one_of: [open, running, done]}
  tries:  {type: int, default: 0, max: 5}
  code:   {type: string, unique: true}
  body:   {type: text}
  parent: {type: ref(tasks), on_delete: restrict}
  batch:  {type: ref(batches), on_delete: cascade}
)";
constexpr char kBatches[] = R"(
collection: batches
fields:
  name: {type: string}
  meta: {type: json}
)";
constexpr char kOld[] = R"(
collection: old_batches
fields:
  name:  {type: text, max_length: 20}
  meta:  {type: json}
  notes: {type: text}
)";
constexpr char kKept[] = R"(
collection: kept
fields:
  n: {type: int}
soft_delete: true
)";
constexpr char kShort[] = R"(
collection: short
fields:
  n: {type: int}
expire: {after: 1h}
)";

// Runs calls as the RPC edge does, the long work on this thread.
class RecordWhereTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(database_.Apply({kTasks, kBatches, kOld, kKept, kShort}));
  }

  // Writes tasks `t<first>` to `t<last>` of a kind, a thousand at a time.
  void WriteTasks(int first, int last, const std::string& kind = "a",
                  const std::string& more = "") {
    for (int begin = first; begin <= last; begin += 1000) {
      std::vector<std::string> items;
      for (int i = begin; i < begin + 1000 && i <= last; ++i) {
        items.push_back(
            absl::StrCat(R"({"collection":"tasks","create":{"id":"t)", i,
                         R"(","fields":{"kind":")", kind, R"(","code":"c)", i,
                         "\"", more, "}}}"));
      }
      ASSERT_OK(
          database_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
    }
  }

  // Begins a call and works for it until it ends, or this returns: `step` is
  // called before each piece of long work but the first.
  template <typename Request, typename Response, typename Function>
  absl::StatusOr<Response> Call(Function function, const std::string& request) {
    Request parsed;
    EXPECT_TRUE(
        google::protobuf::TextFormat::ParseFromString(request, &parsed));
    Response response;
    absl::Status result;
    bool done = false;
    function(database_.database(), parsed, &response, MakeCall(),
             [&](const absl::Status& status) {
               absl::MutexLock lock(&mutex_);
               result = status;
               done = true;
             });
    while (true) {
      absl::AnyInvocable<void()> work;
      {
        const auto ready = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return done || !work_.empty();
        };
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&ready));
        if (work_.empty()) break;
        work = std::move(work_.front());
        work_.pop_front();
      }
      if (step_) step_();
      work();
    }
    if (!result.ok()) return result;
    return response;
  }
  absl::StatusOr<v1::UpdateWhereResponse> Update(const std::string& request) {
    return Call<v1::UpdateWhereRequest, v1::UpdateWhereResponse>(&UpdateWhere,
                                                                 request);
  }
  absl::StatusOr<v1::DeleteWhereResponse> Delete(const std::string& request) {
    return Call<v1::DeleteWhereRequest, v1::DeleteWhereResponse>(&DeleteWhere,
                                                                 request);
  }

  WhereCall MakeCall() {
    return {.bounds = {.deadline = deadline_,
                       .is_cancelled = [this] { return cancelled_.load(); }},
            .run = [this](absl::AnyInvocable<void()> work) {
              absl::MutexLock lock(&mutex_);
              work_.push_back(std::move(work));
              return absl::OkStatus();
            }};
  }

  int64_t Count(const std::string& table, const std::string& condition) {
    return database_.QueryInt(
        absl::StrCat("SELECT count(*) FROM ", table, " WHERE ", condition));
  }

  TestDatabase database_;
  std::function<void()> step_;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::atomic<bool> cancelled_{false};
  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> work_;
};

TEST_F(RecordWhereTest, UpdatesWhatMeetsTheFilter) {
  WriteTasks(1, 3, "a");
  WriteTasks(4, 5, "b");
  ASSERT_OK_AND_ASSIGN(
      const v1::UpdateWhereResponse response, Update(R"pb(
        collection: "tasks"
        filter: "kind = :kind AND tries < :max"
        parameters {
          fields {
            key: "kind"
            value { string_value: "a" }
          }
          fields {
            key: "max"
            value { number_value: 3 }
          }
          fields {
            key: "step"
            value { number_value: 2 }
          }
        }
        fields {
          fields {
            key: "state"
            value { string_value: "running" }
          }
        }
        transforms { field: "tries" expression: "tries + :step" }
      )pb"));
  EXPECT_EQ(response.matched(), 3);
  EXPECT_EQ(response.updated(), 3);
  EXPECT_EQ(response.position(),
            database_.database().NewestPosition().ToString());
  EXPECT_EQ(Count("tasks", "state = 'running' AND tries = 2"), 3);
  EXPECT_EQ(Count("tasks", "state = 'open' AND tries = 0"), 2);
}

TEST_F(RecordWhereTest, CountsWhatAnUpdateLeftAsItWas) {
  WriteTasks(1, 3);
  const std::string request = R"pb(
    collection: "tasks"
    filter: "true"
    fields {
      fields {
        key: "state"
        value { string_value: "open" }
      }
    }
  )pb";
  const int64_t before = database_.newest_sequence();
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(request));
  EXPECT_EQ(response.matched(), 3);
  EXPECT_EQ(response.updated(), 0);
  EXPECT_EQ(database_.newest_sequence(), before);
}

TEST_F(RecordWhereTest, ADryRunOnlyCounts) {
  WriteTasks(1, 3);
  const int64_t before = database_.newest_sequence();
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse updated, Update(R"pb(
                         collection: "tasks"
                         filter: "id != \"t2\""
                         fields {
                           fields {
                             key: "state"
                             value { string_value: "done" }
                           }
                         }
                         dry_run: true
                       )pb"));
  EXPECT_EQ(updated.matched(), 2);
  EXPECT_EQ(updated.updated(), 0);
  EXPECT_EQ(updated.position(), "");
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse deleted, Delete(R"pb(
                         collection: "tasks"
                         filter: "true"
                         dry_run: true
                       )pb"));
  EXPECT_EQ(deleted.matched(), 3);
  EXPECT_EQ(deleted.deleted(), 0);
  EXPECT_EQ(database_.newest_sequence(), before);
}

TEST_F(RecordWhereTest, AFilterIsRequired) {
  EXPECT_THAT(ViolationsOf(Delete("collection: 'tasks'").status()),
              ElementsAre(Pair("filter", HasSubstr("`true` for all records"))));
  EXPECT_THAT(ViolationsOf(Update("collection: 'tasks'").status()),
              ElementsAre(Pair("filter", HasSubstr("is empty")),
                          Pair("fields", HasSubstr("give fields"))));
}

TEST_F(RecordWhereTest, EveryMistakeIsReportedAtItsPath) {
  EXPECT_THAT(
      ViolationsOf(Update(R"pb(
                     collection: "tasks"
                     filter: "knd = :k"
                     parameters {
                       fields {
                         key: "k"
                         value { string_value: "a" }
                       }
                       fields {
                         key: "l"
                         value { string_value: "a" }
                       }
                     }
                     fields {
                       fields {
                         key: "tries"
                         value { number_value: 9 }
                       }
                     }
                     transforms {
                       field: "state"
                       set_now {}
                     }
                   )pb")
                       .status()),
      ElementsAre(Pair("filter", HasSubstr("did you mean \"kind\"")),
                  Pair("fields.tries", HasSubstr("at most 5")),
                  Pair("transforms[0].set_now", HasSubstr("a timestamp")),
                  Pair("parameters.l", HasSubstr("used nowhere"))));
  EXPECT_THAT(Delete("collection: 'task' filter: 'true'").status(),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ViolationsOf(
                  Delete(absl::StrCat(
                             "collection: 'tasks' filter: 'true' request_id: '",
                             std::string(129, 'x'), "'"))
                      .status()),
              ElementsAre(Pair("request_id", HasSubstr("at most 128"))));
}

TEST_F(RecordWhereTest, ARuleThatARecordBreaksUndoesTheSlice) {
  WriteTasks(1, 2);
  WriteTasks(3, 3, "a", R"(,"tries":5)");
  const absl::Status status = Update(R"pb(
                                collection: "tasks"
                                filter: "kind = \"a\""
                                transforms {
                                  field: "tries"
                                  increment { number_value: 1 }
                                }
                              )pb")
                                  .status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "record \"t3\""));
  EXPECT_THAT(ViolationsOf(status),
              ElementsAre(Pair("transforms[0]", HasSubstr("at most 5"))));
  EXPECT_EQ(Count("tasks", "tries = 0"), 2);
  EXPECT_THAT(Update(R"pb(
                collection: "tasks"
                filter: "true"
                fields {
                  fields {
                    key: "code"
                    value { string_value: "x" }
                  }
                }
              )pb")
                  .status(),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Count("tasks", "code = 'x'"), 0);
}

TEST_F(RecordWhereTest, LargeOnesGoInSlicesBetweenWhichOthersWrite) {
  WriteTasks(1, 2500);
  int others = 0;
  step_ = [&] {
    // What comes into being meanwhile is not touched.
    WriteTasks(10'000 + others, 10'000 + others);
    ++others;
  };
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(R"pb(
                         collection: "tasks"
                         filter: "kind = \"a\""
                         transforms {
                           field: "tries"
                           increment { number_value: 1 }
                         }
                       )pb"));
  EXPECT_EQ(response.matched(), 2500);
  EXPECT_EQ(response.updated(), 2500);
  // Each once, though its change leaves it meeting the filter.
  EXPECT_EQ(Count("tasks", "tries = 1"), 2500);
  EXPECT_EQ(Count("tasks", "tries = 0"), others);
  EXPECT_GE(others, 3);
}

TEST_F(RecordWhereTest, ASliceIsBoundedInBytesToo) {
  WriteTasks(1, 12, "a",
             absl::StrCat(",\"body\":\"", std::string(1 << 20, 'x'), "\""));
  int slices = 0;
  step_ = [&] { ++slices; };
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(R"pb(
                         collection: "tasks"
                         filter: "true"
                         fields {
                           fields {
                             key: "state"
                             value { string_value: "done" }
                           }
                         }
                       )pb"));
  EXPECT_EQ(response.updated(), 12);
  EXPECT_EQ(slices, 3);
}

TEST_F(RecordWhereTest, ARecordThatChangedSinceTheScanIsLookedAtAgain) {
  WriteTasks(1, 1500);
  int steps = 0;
  step_ = [&] {
    // The first piece finds the rows; the second slice's are changed then.
    if (++steps != 2) return;
    ASSERT_OK(database_.Write(R"([
        {"collection":"tasks","update":{"id":"t1400","fields":{"kind":"b"}}},
        {"collection":"tasks","delete":{"id":"t1401"}}])"));
  };
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(R"pb(
                         collection: "tasks"
                         filter: "kind = \"a\""
                         fields {
                           fields {
                             key: "state"
                             value { string_value: "done" }
                           }
                         }
                       )pb"));
  EXPECT_EQ(response.matched(), 1498);
  EXPECT_EQ(Count("tasks", "state = 'done'"), 1498);
}

TEST_F(RecordWhereTest, WhatExpiresMeanwhileTakesOthersOfTheSliceAlong) {
  ASSERT_OK(database_.Apply(
      {"{collection: tree, expire: {field: until}, fields: {n: {type: int}, "
       "until: {type: timestamp}, parent: {type: ref(tree), on_delete: "
       "cascade}}}"}));
  ASSERT_OK(database_.Write(R"([
      {"collection":"tree","create":{"id":"child","fields":{"parent":"top"}}},
      {"collection":"tree","create":{"id":"top","fields":
        {"until":"2027-01-15T09:00:00Z"}}},
      {"collection":"tree","create":{"id":"other"}}])"));
  step_ = [&] { database_.clock().Advance(absl::Hours(2)); };
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response,
                       Update(R"pb(collection: "tree"
                                   filter: "true"
                                   fields {
                                     fields {
                                       key: "n"
                                       value { number_value: 1 }
                                     }
                                   })pb"));
  EXPECT_EQ(response.matched(), 1);
  EXPECT_EQ(Count("tree", "true"), 1);
}

TEST_F(RecordWhereTest, ARepeatGetsTheFirstAnswer) {
  WriteTasks(1, 3);
  const std::string request = R"pb(
    collection: "tasks"
    filter: "true"
    transforms {
      field: "tries"
      increment { number_value: 1 }
    }
    request_id: "r"
  )pb";
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse first, Update(request));
  WriteTasks(4, 4);
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse again, Update(request));
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(Count("tasks", "tries = 1"), 3);
  const absl::Status other = Update(R"pb(
                               collection: "tasks"
                               filter: "kind = \"a\""
                               transforms {
                                 field: "tries"
                                 increment { number_value: 1 }
                               }
                               request_id: "r"
                             )pb")
                                 .status();
  EXPECT_EQ(ReasonOf(other), common::v1::ERROR_REASON_REQUEST_ID_REUSED);
  // Another method's ids are its own.
  EXPECT_OK(Delete("collection: 'tasks' filter: 'false' request_id: 'r'"));
}

TEST_F(RecordWhereTest, ARepeatGoesOnWhereTheCallEnded) {
  WriteTasks(1, 2500);
  const std::string request = R"pb(
    collection: "tasks"
    filter: "kind = \"a\""
    transforms {
      field: "tries"
      increment { number_value: 1 }
    }
    request_id: "r"
  )pb";
  int steps = 0;
  step_ = [&] { cancelled_ = ++steps == 3; };
  const absl::Status ended = Update(request).status();
  EXPECT_THAT(ended, StatusIs(absl::StatusCode::kCancelled,
                              "after 2000 of 2000 records"));
  EXPECT_EQ(Count("tasks", "tries = 1"), 2000);
  step_ = nullptr;
  cancelled_ = false;
  // Those of the first call are not seen again, nor those that came since.
  WriteTasks(3000, 3000);
  database_.Reopen();
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(request));
  EXPECT_EQ(response.matched(), 2500);
  EXPECT_EQ(response.updated(), 2500);
  EXPECT_EQ(Count("tasks", "tries = 1"), 2500);
}

TEST_F(RecordWhereTest, TwoOfOneRequestAtOnceShareTheWork) {
  WriteTasks(1, 2500);
  const std::string request = R"pb(
    collection: "tasks"
    filter: "true"
    transforms {
      field: "tries"
      increment { number_value: 1 }
    }
    request_id: "r"
  )pb";
  int steps = 0;
  step_ = [&] {
    if (++steps != 2) return;
    ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse other, Update(request));
    EXPECT_EQ(other.updated(), 2500);
  };
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse response, Update(request));
  EXPECT_EQ(response.updated(), 2500);
  EXPECT_EQ(Count("tasks", "tries = 1"), 2500);
}

TEST_F(RecordWhereTest, TheDeadlineEndsACall) {
  WriteTasks(1, 3);
  deadline_ = absl::InfinitePast();
  EXPECT_THAT(Delete("collection: 'tasks' filter: 'true'").status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(
      Delete("collection: 'tasks' filter: 'true' dry_run: true").status(),
      ::testing::AnyOf(absl::OkStatus(),
                       StatusIs(absl::StatusCode::kDeadlineExceeded)));
  EXPECT_EQ(Count("tasks", "true"), 3);
}

TEST_F(RecordWhereTest, AnIndexedFilterFindsTheSameAsAScan) {
  WriteTasks(1, 50, "a");
  WriteTasks(51, 90, "b");
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse response,
                       Delete(R"pb(collection: "tasks"
                                   filter: "kind IN (\"b\", \"c\")")pb"));
  EXPECT_EQ(response.deleted(), 40);
  EXPECT_EQ(Count("tasks", "kind = 'a'"), 50);
}

TEST_F(RecordWhereTest, SqlInAParameterIsText) {
  WriteTasks(1, 2);
  ASSERT_OK_AND_ASSIGN(
      const v1::DeleteWhereResponse response, Delete(R"pb(
        collection: "tasks"
        filter: "kind = :k"
        parameters {
          fields {
            key: "k"
            value { string_value: "a' OR 1=1; DROP TABLE tasks; --" }
          }
        }
      )pb"));
  EXPECT_EQ(response.matched(), 0);
  EXPECT_EQ(Count("tasks", "true"), 2);
}

TEST_F(RecordWhereTest, DeletesFollowTheRulesOfRefs) {
  ASSERT_OK(database_.Write(R"([
      {"collection":"batches","create":{"id":"b1","fields":{"name":"one"}}},
      {"collection":"batches","create":{"id":"b2","fields":{"name":"two"}}}])"));
  WriteTasks(1, 3, "a", R"(,"batch":"b1")");
  WriteTasks(4, 4, "a", R"(,"batch":"b2")");
  ASSERT_OK_AND_ASSIGN(
      const v1::DeleteWhereResponse response,
      Delete(R"(collection: "batches" filter: "name = \"one\"")"));
  EXPECT_EQ(response.matched(), 1);
  EXPECT_EQ(response.deleted(), 1);
  EXPECT_EQ(response.cascaded(), 3);
  EXPECT_EQ(Count("tasks", "true"), 1);
}

TEST_F(RecordWhereTest, WhatRefsKeepIsRefusedOrLeftOut) {
  WriteTasks(1, 2);
  WriteTasks(3, 3, "child", R"(,"parent":"t1")");
  WriteTasks(4, 4, "a", R"(,"parent":"t2")");
  const std::string request = R"(collection: "tasks" filter: "kind = \"a\"")";
  const absl::Status refused = Delete(request).status();
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_RECORD_REFERENCED);
  EXPECT_EQ(Count("tasks", "true"), 4);
  // t4 goes, and so t2 can.
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse response,
                       Delete(request + " skip_referenced: true"));
  EXPECT_EQ(response.matched(), 3);
  EXPECT_EQ(response.deleted(), 2);
  EXPECT_EQ(response.skipped(), 1);
  EXPECT_EQ(Count("tasks", "id IN ('t1', 't3')"), 2);
  EXPECT_EQ(Count("tasks", "true"), 2);
}

TEST_F(RecordWhereTest, ArchivesIntoAnotherCollection) {
  ASSERT_OK(database_.Write(R"([
      {"collection":"batches","create":{"id":"b1","fields":
          {"name":"one","meta":{"a":[1]}}}},
      {"collection":"batches","create":{"id":"b2","fields":{"name":"two"}}},
      {"collection":"batches","create":{"id":"b3"}},
      {"collection":"old_batches","create":{"id":"b2","fields":
          {"name":"older","notes":"n"}}}])"));
  ASSERT_OK_AND_ASSIGN(
      const v1::DeleteWhereResponse response,
      Delete(R"(collection: "batches" filter: "name IS NULL OR name != \"x\""
                archive_to: "old_batches")"));
  EXPECT_EQ(response.deleted(), 3);
  EXPECT_EQ(Count("batches", "true"), 0);
  EXPECT_EQ(*database_.Fields("old_batches", "b1"),
            R"({"meta":{"a":[1]},"name":"one"})");
  // A copy takes the place of an earlier one.
  EXPECT_EQ(*database_.Fields("old_batches", "b2"), R"({"name":"two"})");
  EXPECT_EQ(*database_.Fields("old_batches", "b3"), "{}");
}

TEST_F(RecordWhereTest, AnArchiveThatCannotTakeTheRecordsIsRefusedUpFront) {
  const std::string request = R"(collection: "tasks" filter: "true" )";
  EXPECT_THAT(ViolationsOf(Delete(request + "archive_to: 'kept'").status()),
              ::testing::Contains(
                  Pair("archive_to", HasSubstr("has no field \"kind\""))));
  EXPECT_THAT(ViolationsOf(Delete(request + "archive_to: 'tasks'").status()),
              ElementsAre(Pair("archive_to", HasSubstr("itself"))));
  EXPECT_THAT(Delete(request + "archive_to: 'nope'").status(),
              StatusIs(absl::StatusCode::kNotFound, "archive_to"));
}

TEST_F(RecordWhereTest, ACopyThatTheArchiveRefusesKeepsTheRecord) {
  ASSERT_OK(database_.Write(
      R"([{"collection":"batches","create":{"id":"b1","fields":
             {"name":"a name of more than twenty characters"}}}])"));
  EXPECT_THAT(
      Delete(R"(collection: "batches" filter: "true"
                        archive_to: "old_batches")")
          .status(),
      StatusIs(absl::StatusCode::kInvalidArgument, "archiving record \"b1\""));
  EXPECT_EQ(Count("batches", "true"), 1);
  EXPECT_EQ(Count("old_batches", "true"), 0);
}

TEST_F(RecordWhereTest, DeletedRecordsThatAreKeptAreOnlyPurged) {
  ASSERT_OK(database_.Write(R"([
      {"collection":"kept","create":{"id":"a","fields":{"n":1}}},
      {"collection":"kept","create":{"id":"b","fields":{"n":1}}},
      {"collection":"kept","delete":{"id":"a"}}])"));
  const std::string request = R"(collection: "kept" filter: "n = 1" )";
  ASSERT_OK_AND_ASSIGN(const v1::UpdateWhereResponse updated, Update(R"pb(
                         collection: "kept"
                         filter: "n = 1"
                         transforms {
                           field: "n"
                           max { number_value: 0 }
                         }
                       )pb"));
  EXPECT_EQ(updated.matched(), 1);
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse hidden, Delete(request));
  EXPECT_EQ(hidden.deleted(), 1);
  EXPECT_EQ(Count("kept", "_deleted_us IS NOT NULL"), 2);
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse purged,
                       Delete(request + "purge: true"));
  EXPECT_EQ(purged.deleted(), 2);
  EXPECT_EQ(Count("kept", "true"), 0);
}

TEST_F(RecordWhereTest, WhatHasExpiredIsNotThere) {
  ASSERT_OK(database_.Write(
      R"([{"collection":"short","create":{"id":"a","fields":{"n":1}}}])"));
  database_.clock().Advance(absl::Hours(2));
  ASSERT_OK(database_.Write(
      R"([{"collection":"short","create":{"id":"b","fields":{"n":1}}}])"));
  ASSERT_OK_AND_ASSIGN(
      const v1::DeleteWhereResponse counted,
      Delete("collection: 'short' filter: 'true' dry_run: true"));
  EXPECT_EQ(counted.matched(), 1);
  ASSERT_OK_AND_ASSIGN(const v1::DeleteWhereResponse deleted,
                       Delete("collection: 'short' filter: 'true'"));
  EXPECT_EQ(deleted.deleted(), 1);
}

TEST(WhereProgressTest, ComesBackAsItWasKept) {
  WhereProgress progress{.after = 1,
                         .through = -2,
                         .now_us = 3,
                         .matched = 4,
                         .changed = 5,
                         .cascaded = 6,
                         .skipped = 7,
                         .finished = true,
                         .position = "db@1.2"};
  EXPECT_EQ(*WhereProgress::Parse(progress.Serialize()), progress);
  progress.finished = false;
  progress.position = "";
  EXPECT_EQ(*WhereProgress::Parse(progress.Serialize()), progress);
  for (const char* text : {"", "1 2", "1 2 3 4 5 6 7 x db@1.2"}) {
    EXPECT_THAT(WhereProgress::Parse(text),
                StatusIs(absl::StatusCode::kDataLoss))
        << text;
  }
}

}  // namespace
}  // namespace engram::storage
