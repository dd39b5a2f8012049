// What refs, deletes, restores, expiry and roll-ups do, on real files.

#include "services/storage/record_editor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestDatabase;
using ::testing::UnorderedElementsAre;
using Result = v1::WriteResult;

class RecordEditorTest : public ::testing::Test {
 protected:
  absl::StatusOr<Result> Create(const std::string& collection,
                                const std::string& id,
                                const std::string& fields = "") {
    return database_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                           R"(", "create": {"id": ")", id,
                                           R"(", "fields": {)", fields, "}}}"));
  }
  absl::StatusOr<Result> Update(const std::string& collection,
                                const std::string& id,
                                const std::string& fields) {
    return database_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                           R"(", "update": {"id": ")", id,
                                           R"(", "fields": {)", fields, "}}}"));
  }
  absl::StatusOr<Result> Delete(const std::string& collection,
                                const std::string& id, bool purge = false) {
    return database_.WriteOne(absl::StrCat(
        R"({"collection": ")", collection, R"(", "delete": {"id": ")", id,
        R"(", "purge": )", purge ? "true" : "false", "}}"));
  }
  absl::StatusOr<Result> Restore(const std::string& collection,
                                 const std::string& id, int version = 0) {
    return database_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                           R"(", "restore": {"id": ")", id,
                                           R"(", "version": )", version, "}}"));
  }
  bool Exists(const std::string& collection, const std::string& id) {
    return database_.Get(collection, id).ok();
  }
  int64_t Count(const std::string& table) {
    return database_.QueryInt("SELECT count(*) FROM " + table);
  }

  TestDatabase database_{{.max_cascade_rows = 50}};
};

constexpr char kSessions[] =
    "{collection: sessions, fields: {name: {type: string}}}";

std::string Messages(const std::string& on_delete) {
  return absl::StrCat(
      "{collection: messages, fields: {session: {type: "
      "ref(sessions), on_delete: ",
      on_delete, "}, text: {type: text}}}");
}

// Refs.

TEST_F(RecordEditorTest, ARefMustNameARecord) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  const auto written = Create("messages", "m", R"("session": "s")");
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "items[0].create.fields.session: collection "
                                "\"sessions\" has no record \"s\""));
  EXPECT_EQ(ReasonOf(written.status()),
            common::v1::ERROR_REASON_REFERENCE_MISSING);
  EXPECT_FALSE(Exists("messages", "m"));
}

TEST_F(RecordEditorTest, ABatchMayCreateTheChildFirst) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  EXPECT_OK(database_.Write(R"([
    {"collection": "messages", "create": {"id": "m", "fields": {"session": "s"}}},
    {"collection": "sessions", "create": {"id": "s"}}])"));
}

TEST_F(RecordEditorTest, ARefThatIsTakenBackInTheBatchNeedsNoRecord) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  EXPECT_OK(database_.Write(R"([
    {"collection": "messages", "create": {"id": "m", "fields": {"session": "s"}}},
    {"collection": "messages", "create": {"id": "n", "fields": {"session": "s"}}},
    {"collection": "messages", "update": {"id": "m", "fields": {"session": null}}},
    {"collection": "messages", "delete": {"id": "n"}}])"));
}

TEST_F(RecordEditorTest, WithoutAtomicOnlyTheItemWithTheBadRefFails) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse response,
                       database_.Write(R"([
    {"collection": "messages", "create": {"id": "m", "fields": {"session": "s"}}},
    {"collection": "messages", "create": {"id": "n"}}])",
                                       R"("atomic": false)"));
  EXPECT_EQ(response.results(0).outcome(), Result::OUTCOME_FAILED);
  EXPECT_EQ(response.results(1).outcome(), Result::OUTCOME_CREATED);
}

TEST_F(RecordEditorTest, ADeleteTakesThoseAlongThatCascade) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  ASSERT_OK(Create("messages", "n", R"("session": "s")"));
  const int64_t before = database_.newest_sequence();
  ASSERT_OK(Delete("sessions", "s"));
  EXPECT_EQ(Count("messages"), 0);
  // Every record that went is a change of its own; children first.
  EXPECT_THAT(database_.ChangesAfter(before),
              ElementsAre("deleted n", "deleted m", "deleted s"));
  EXPECT_EQ(database_.QueryInt("SELECT sum(records) FROM _collections"), 0);
}

TEST_F(RecordEditorTest, ARestrictingRefKeepsItsTarget) {
  ASSERT_OK(database_.Apply({kSessions, Messages("restrict")}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  const auto refused = Delete("sessions", "s");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "record \"s\" cannot be deleted while record "
                                "\"m\" of \"messages\" refers to it"));
  EXPECT_EQ(ReasonOf(refused.status()),
            common::v1::ERROR_REASON_RECORD_REFERENCED);
  ASSERT_OK(Delete("messages", "m"));
  EXPECT_OK(Delete("sessions", "s"));
}

TEST_F(RecordEditorTest, ADeleteClearsRefsThatAreSetNull) {
  ASSERT_OK(database_.Apply({kSessions, Messages("set_null")}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s", "text": "t")"));
  ASSERT_OK(Delete("sessions", "s"));
  EXPECT_EQ(*database_.Fields("messages", "m"), R"({"text":"t"})");
  EXPECT_EQ(database_.Get("messages", "m")->version(), 2);
}

TEST_F(RecordEditorTest, RefsThatGoRoundEnd) {
  ASSERT_OK(database_.Apply(
      {"{collection: nodes, fields: {next: {type: ref(nodes), on_delete: "
       "cascade}}}"}));
  ASSERT_OK(database_.Write(R"([
    {"collection": "nodes", "create": {"id": "a", "fields": {"next": "b"}}},
    {"collection": "nodes", "create": {"id": "b", "fields": {"next": "c"}}},
    {"collection": "nodes", "create": {"id": "c", "fields": {"next": "a"}}},
    {"collection": "nodes", "create": {"id": "self", "fields": {"next": "self"}}}])"));
  ASSERT_OK(Delete("nodes", "b"));
  EXPECT_EQ(Count("nodes"), 1);
  ASSERT_OK(Delete("nodes", "self"));
  EXPECT_EQ(Count("nodes"), 0);
}

TEST_F(RecordEditorTest, ARestrictingRefOfWhatGoesTooIsNoObstacle) {
  ASSERT_OK(database_.Apply(
      {"{collection: nodes, fields: {next: {type: ref(nodes)}}}"}));
  ASSERT_OK(database_.Write(R"([
    {"collection": "nodes", "create": {"id": "self", "fields": {"next": "self"}}}])"));
  EXPECT_OK(Delete("nodes", "self"));
}

TEST_F(RecordEditorTest, ACascadeBeyondTheLimitChangesNothing) {
  ASSERT_OK(database_.Apply({kSessions, Messages("cascade")}));
  ASSERT_OK(Create("sessions", "s"));
  std::vector<std::string> items;
  for (int i = 0; i < 51; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "messages", "create": {"id": "m)", i,
                     R"(", "fields": {"session": "s"}}})"));
  }
  ASSERT_OK(database_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  const auto refused = Delete("sessions", "s");
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kFailedPrecondition, "51 others"));
  EXPECT_EQ(ReasonOf(refused.status()),
            common::v1::ERROR_REASON_CASCADE_TOO_LARGE);
  EXPECT_EQ(Count("messages"), 51);
  ASSERT_OK(Delete("messages", "m0"));
  EXPECT_OK(Delete("sessions", "s"));
}

// Soft delete.

constexpr char kDocs[] =
    "{collection: docs, soft_delete: {keep: 30d}, fields: {title: {type: "
    "string, unique: true}}}";

TEST_F(RecordEditorTest, ADeletedRecordIsKeptAndHidden) {
  ASSERT_OK(database_.Apply({kDocs}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  const int64_t before = database_.newest_sequence();
  EXPECT_EQ(Delete("docs", "d")->outcome(), Result::OUTCOME_DELETED);
  EXPECT_FALSE(Exists("docs", "d"));
  EXPECT_EQ(Count("docs"), 1);
  EXPECT_THAT(database_.ChangesAfter(before), ElementsAre("deleted d"));
  EXPECT_EQ(Delete("docs", "d")->outcome(), Result::OUTCOME_ABSENT);
  for (const char* action : {"create", "upsert", "replace", "update"}) {
    const auto written = database_.WriteOne(
        absl::StrCat(R"({"collection": "docs", ")", action,
                     R"(": {"id": "d", "fields": {"title": "u"}}})"));
    EXPECT_THAT(written, StatusIs(absl::StatusCode::kFailedPrecondition))
        << action;
    EXPECT_EQ(ReasonOf(written.status()),
              common::v1::ERROR_REASON_RECORD_DELETED)
        << action;
  }
}

TEST_F(RecordEditorTest, ARestoreBringsBackADeletedRecord) {
  ASSERT_OK(database_.Apply({kDocs}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Delete("docs", "d"));
  const int64_t before = database_.newest_sequence();
  ASSERT_OK_AND_ASSIGN(const Result result, Restore("docs", "d"));
  EXPECT_EQ(result.outcome(), Result::OUTCOME_UPDATED);
  EXPECT_EQ(result.version(), 2);
  EXPECT_EQ(*database_.Fields("docs", "d"), R"({"title":"t"})");
  EXPECT_THAT(database_.ChangesAfter(before), ElementsAre("changed d"));
  EXPECT_EQ(Restore("docs", "d")->outcome(), Result::OUTCOME_UNCHANGED);
  EXPECT_THAT(Restore("docs", "x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordEditorTest, ADeletedRecordHoldsNoKey) {
  ASSERT_OK(database_.Apply({kDocs}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Delete("docs", "d"));
  ASSERT_OK(Create("docs", "e", R"("title": "t")"));
  EXPECT_THAT(Restore("docs", "d"),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       "(title) of record \"d\" is held by record \"e\""));
}

TEST_F(RecordEditorTest, APurgeIsForGood) {
  ASSERT_OK(database_.Apply({kDocs}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Delete("docs", "d"));
  const int64_t before = database_.newest_sequence();
  EXPECT_EQ(Delete("docs", "d", /*purge=*/true)->outcome(),
            Result::OUTCOME_DELETED);
  EXPECT_EQ(Count("docs"), 0);
  // Followers were told when it was hidden.
  EXPECT_THAT(database_.ChangesAfter(before), IsEmpty());
  EXPECT_EQ(Create("docs", "d", R"("title": "t")")->version(), 1);
}

TEST_F(RecordEditorTest, ARestoreBringsBackWhatTheDeleteTookAlong) {
  ASSERT_OK(database_.Apply(
      {kDocs,
       "{collection: parts, soft_delete: true, fields: {doc: {type: ref(docs), "
       "on_delete: cascade}}}",
       "{collection: marks, fields: {part: {type: ref(parts), on_delete: "
       "cascade}}}"}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Create("parts", "p", R"("doc": "d")"));
  ASSERT_OK(Create("parts", "q", R"("doc": "d")"));
  ASSERT_OK(Create("marks", "m", R"("part": "p")"));
  ASSERT_OK(Delete("parts", "q"));
  database_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Delete("docs", "d"));
  EXPECT_FALSE(Exists("parts", "p"));
  // It cannot be hidden, so it stays until its part goes for good.
  EXPECT_TRUE(Exists("marks", "m"));
  EXPECT_THAT(Create("parts", "r", R"("doc": "d")"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(Restore("docs", "d"));
  EXPECT_TRUE(Exists("parts", "p"));
  // Deleted before, on its own.
  EXPECT_FALSE(Exists("parts", "q"));
  ASSERT_OK(Delete("docs", "d", /*purge=*/true));
  EXPECT_EQ(Count("parts"), 0);
  EXPECT_EQ(Count("marks"), 0);
}

TEST_F(RecordEditorTest, ARestoreNeedsWhatTheRecordRefersTo) {
  ASSERT_OK(database_.Apply(
      {kDocs,
       "{collection: parts, soft_delete: true, fields: {doc: {type: ref(docs), "
       "on_delete: cascade}}}"}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Create("parts", "p", R"("doc": "d")"));
  ASSERT_OK(Delete("docs", "d"));
  EXPECT_EQ(ReasonOf(Restore("parts", "p").status()),
            common::v1::ERROR_REASON_REFERENCE_MISSING);
}

TEST_F(RecordEditorTest, HiddenReferrersDoNotRestrict) {
  ASSERT_OK(database_.Apply(
      {kSessions,
       "{collection: messages, soft_delete: true, fields: {session: {type: "
       "ref(sessions)}}}"}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  EXPECT_FALSE(Delete("sessions", "s").ok());
  ASSERT_OK(Delete("messages", "m"));
  EXPECT_OK(Delete("sessions", "s"));
  EXPECT_EQ(Count("messages"), 0);
}

// History.

constexpr char kPages[] =
    "{collection: pages, history: {versions: 3}, fields: {text: {type: text}, "
    "n: {type: int}}}";

TEST_F(RecordEditorTest, HiddenReferrersDoNotConcealLiveOnes) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, soft_delete: true, fields: {n: {type: int}}}",
       "{collection: parts, soft_delete: true, fields: {doc: {type: ref(docs), "
       "on_delete: restrict}}}"}));
  ASSERT_OK(Create("docs", "d"));
  // More than the limit of a cascade.
  for (int i = 0; i < 60; ++i) {
    const std::string id = absl::StrCat("p", i);
    ASSERT_OK(Create("parts", id, R"("doc": "d")"));
    ASSERT_OK(Delete("parts", id));
  }
  ASSERT_OK(Create("parts", "live", R"("doc": "d")"));
  EXPECT_EQ(ReasonOf(Delete("docs", "d").status()),
            common::v1::ERROR_REASON_RECORD_REFERENCED);
}

TEST_F(RecordEditorTest, ARestoreFindsItsOwnAmongManyDeleted) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, soft_delete: true, fields: {n: {type: int}}}",
       "{collection: parts, soft_delete: true, fields: {doc: {type: ref(docs), "
       "on_delete: cascade}}}"}));
  ASSERT_OK(Create("docs", "d"));
  for (int i = 0; i < 60; ++i) {
    const std::string id = absl::StrCat("p", i);
    ASSERT_OK(Create("parts", id, R"("doc": "d")"));
    ASSERT_OK(Delete("parts", id));
  }
  ASSERT_OK(Create("parts", "last", R"("doc": "d")"));
  database_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Delete("docs", "d"));
  EXPECT_FALSE(Exists("parts", "last"));
  ASSERT_OK(Restore("docs", "d"));
  EXPECT_TRUE(Exists("parts", "last"));
  EXPECT_FALSE(Exists("parts", "p0"));
}

TEST_F(RecordEditorTest, ARestoredVersionOfAHiddenRecordIsAnUpdate) {
  ASSERT_OK(database_.Apply(
      {"{collection: pages, soft_delete: true, history: true, fields: {n: "
       "{type: int}}}"}));
  ASSERT_OK(Create("pages", "p", R"("n": 1)"));
  ASSERT_OK(Delete("pages", "p"));
  EXPECT_EQ(Restore("pages", "p", 1)->outcome(), Result::OUTCOME_UPDATED);
  ASSERT_OK(Delete("pages", "p"));
  // Not a version that it gets by being restored.
  EXPECT_EQ(ReasonOf(Restore("pages", "p", 3).status()),
            common::v1::ERROR_REASON_VERSION_UNKNOWN);
}

TEST_F(RecordEditorTest, AVersionCanBeRestored) {
  ASSERT_OK(database_.Apply({kPages}));
  ASSERT_OK(Create("pages", "p", R"("text": "one", "n": 1)"));
  ASSERT_OK(Update("pages", "p", R"("text": "two", "n": null)"));
  ASSERT_OK_AND_ASSIGN(const Result result, Restore("pages", "p", 1));
  EXPECT_EQ(result.version(), 3);
  EXPECT_EQ(*database_.Fields("pages", "p"), R"({"n":1,"text":"one"})");
  EXPECT_EQ(Restore("pages", "p", 3)->outcome(), Result::OUTCOME_UNCHANGED);
  const auto unknown = Restore("pages", "p", 9);
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(unknown.status()),
            common::v1::ERROR_REASON_VERSION_UNKNOWN);
}

TEST_F(RecordEditorTest, ARestoreRecreatesWhatIsGone) {
  ASSERT_OK(database_.Apply({kPages}));
  ASSERT_OK(Create("pages", "p", R"("text": "one")"));
  ASSERT_OK(Update("pages", "p", R"("text": "two")"));
  ASSERT_OK(Delete("pages", "p"));
  ASSERT_OK_AND_ASSIGN(const Result result, Restore("pages", "p", 1));
  EXPECT_EQ(result.outcome(), Result::OUTCOME_CREATED);
  // Not a version that it had before, so that nobody takes it for that.
  EXPECT_EQ(result.version(), 3);
  EXPECT_EQ(*database_.Fields("pages", "p"), R"({"text":"one"})");
}

TEST_F(RecordEditorTest, TheHistoryIsBounded) {
  ASSERT_OK(database_.Apply({kPages}));
  ASSERT_OK(Create("pages", "p"));
  for (int i = 0; i < 9; ++i) {
    ASSERT_OK(Update("pages", "p", absl::StrCat(R"("n": )", i)));
  }
  EXPECT_EQ(Count("_versions"), 3);
  EXPECT_OK(Restore("pages", "p", 7));
  EXPECT_FALSE(Restore("pages", "p", 6).ok());
}

TEST_F(RecordEditorTest, APurgeForgetsTheHistory) {
  ASSERT_OK(database_.Apply({kPages}));
  ASSERT_OK(Create("pages", "p"));
  ASSERT_OK(Update("pages", "p", R"("n": 2)"));
  ASSERT_OK(Delete("pages", "p", /*purge=*/true));
  EXPECT_EQ(Count("_versions"), 0);
}

// Roll-ups.

constexpr char kRollups[] = R"(
collection: messages
fields:
  session: {type: ref(sessions), on_delete: cascade}
  tokens:  {type: int}
  role:    {type: string}
  sent_at: {type: timestamp}
rollups:
  - {parent: session, set: {messages: count, tokens: sum(tokens), last: max(sent_at), least: min(tokens)}}
  - {parent: session, where: 'role = "user"', set: {questions: count}}
)";
constexpr char kRollupParent[] = R"(
collection: sessions
fields:
  messages:  {type: int}
  questions: {type: int}
  tokens:    {type: int}
  least:     {type: int}
  last:      {type: timestamp}
)";

TEST_F(RecordEditorTest, ParentsFollowTheirChildren) {
  ASSERT_OK(database_.Apply({kRollupParent, kRollups}));
  ASSERT_OK(Create("sessions", "s"));
  EXPECT_EQ(*database_.Fields("sessions", "s"),
            R"({"messages":0,"questions":0,"tokens":0})");
  ASSERT_OK(Create("messages", "m",
                   R"("session": "s", "tokens": 5, "role": "user",
                      "sent_at": "2026-01-01T00:00:00Z")"));
  ASSERT_OK(Create("messages", "n", R"("session": "s", "tokens": 2)"));
  EXPECT_EQ(
      *database_.Fields("sessions", "s"),
      R"({"last":"2026-01-01T00:00:00Z","least":2,"messages":2,"questions":1,"tokens":7})");
  ASSERT_OK(Update("messages", "n", R"("tokens": 9, "role": "user")"));
  EXPECT_EQ(
      *database_.Fields("sessions", "s"),
      R"({"last":"2026-01-01T00:00:00Z","least":5,"messages":2,"questions":2,"tokens":14})");
  ASSERT_OK(Delete("messages", "m"));
  EXPECT_EQ(*database_.Fields("sessions", "s"),
            R"({"least":9,"messages":1,"questions":1,"tokens":9})");
  ASSERT_OK(Delete("messages", "n"));
  EXPECT_EQ(*database_.Fields("sessions", "s"),
            R"({"messages":0,"questions":0,"tokens":0})");
}

TEST_F(RecordEditorTest, ARequiredFieldMayBeKeptByARollUp) {
  ASSERT_OK(database_.Apply(
      {"{collection: sessions, fields: {n: {type: int, required: true}}}",
       "{collection: messages, fields: {session: {type: ref(sessions)}}, "
       "rollups: {parent: session, set: {n: count}}}"}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "sessions", "upsert": {"id": "u", "fields": {}}})"));
  EXPECT_EQ(*database_.Fields("sessions", "u"), R"({"n":0})");
}

TEST_F(RecordEditorTest, ASumThatNoIntHoldsIsRefused) {
  ASSERT_OK(database_.Apply({kRollupParent, kRollups}));
  ASSERT_OK(Create("sessions", "s"));
  const char* large = R"("session": "s", "tokens": "9000000000000000000")";
  ASSERT_OK(Create("messages", "a", large));
  EXPECT_THAT(Create("messages", "b", large),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "larger than an int can be"));
  EXPECT_FALSE(Exists("messages", "b"));
}

TEST_F(RecordEditorTest, AParentIsWrittenOnceABatch) {
  ASSERT_OK(database_.Apply({kRollupParent, kRollups}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("sessions", "other"));
  ASSERT_OK(database_.Write(R"([
    {"collection": "messages", "create": {"id": "a", "fields": {"session": "s", "tokens": 1}}},
    {"collection": "messages", "create": {"id": "b", "fields": {"session": "s", "tokens": 2}}},
    {"collection": "messages", "create": {"id": "c", "fields": {"session": "s", "tokens": 3}}},
    {"collection": "messages", "update": {"id": "c", "fields": {"session": "other"}}}])"));
  EXPECT_EQ(database_.Get("sessions", "s")->version(), 2);
  EXPECT_EQ(database_.QueryInt("SELECT tokens FROM sessions WHERE id = 's'"),
            3);
  EXPECT_EQ(
      database_.QueryInt("SELECT tokens FROM sessions WHERE id = 'other'"), 3);
}

TEST_F(RecordEditorTest, WithoutAtomicFailedChildrenDoNotCount) {
  ASSERT_OK(database_.Apply({kRollupParent, kRollups}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(database_.Write(R"([
    {"collection": "messages", "create": {"id": "a", "fields": {"session": "s"}}},
    {"collection": "messages", "create": {"id": "a", "fields": {"session": "s"}}},
    {"collection": "messages", "create": {"id": "b", "fields": {"session": "nobody"}}}])",
                            R"("atomic": false)"));
  EXPECT_EQ(database_.QueryInt("SELECT messages FROM sessions"), 1);
}

TEST_F(RecordEditorTest, AParentThatIsWrittenIsRolledUpInTurn) {
  ASSERT_OK(database_.Apply(
      {"{collection: top, fields: {last: {type: timestamp}}}",
       "{collection: mid, fields: {top: {type: ref(top)}, n: {type: int}, at: "
       "{type: timestamp, default: now, on_update: now}}, rollups: {parent: "
       "top, set: {last: max(at)}}}",
       "{collection: low, fields: {mid: {type: ref(mid)}}, rollups: {parent: "
       "mid, set: {n: count}}}"}));
  ASSERT_OK(Create("top", "t"));
  ASSERT_OK(Create("mid", "m", R"("top": "t")"));
  database_.clock().Advance(absl::Minutes(5));
  ASSERT_OK(Create("low", "a", R"("mid": "m")"));
  EXPECT_EQ(*database_.Fields("top", "t"),
            R"({"last":"2027-01-15T08:05:00Z"})");
}

TEST_F(RecordEditorTest, HiddenChildrenDoNotCountAndComeBack) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, soft_delete: true, fields: {parts: {type: int}}}",
       "{collection: parts, soft_delete: true, fields: {doc: {type: ref(docs), "
       "on_delete: cascade}}, rollups: {parent: doc, set: {parts: count}}}"}));
  ASSERT_OK(Create("docs", "d"));
  ASSERT_OK(Create("parts", "p", R"("doc": "d")"));
  ASSERT_OK(Create("parts", "q", R"("doc": "d")"));
  ASSERT_OK(Delete("parts", "q"));
  EXPECT_EQ(*database_.Fields("docs", "d"), R"({"parts":1})");
  database_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Delete("docs", "d"));
  ASSERT_OK(Restore("docs", "d"));
  EXPECT_EQ(*database_.Fields("docs", "d"), R"({"parts":1})");
  ASSERT_OK(Restore("parts", "q"));
  EXPECT_EQ(*database_.Fields("docs", "d"), R"({"parts":2})");
}

// Expiry.

TEST_F(RecordEditorTest, AnExpiredRecordIsGone) {
  ASSERT_OK(database_.Apply(
      {"{collection: tokens, expire: {after: 1h}, fields: {n: {type: int, "
       "unique: true}}}"}));
  ASSERT_OK(Create("tokens", "t", R"("n": 1)"));
  ASSERT_OK_AND_ASSIGN(const v1::Record record, database_.Get("tokens", "t"));
  EXPECT_EQ(record.expire_time().seconds() - record.create_time().seconds(),
            3600);
  database_.clock().Advance(absl::Hours(1));
  EXPECT_FALSE(Exists("tokens", "t"));
  EXPECT_THAT(Update("tokens", "t", R"("n": 2)"),
              StatusIs(absl::StatusCode::kNotFound));
  const int64_t before = database_.newest_sequence();
  // It is deleted, and logged, before another takes its place.
  ASSERT_OK_AND_ASSIGN(const Result result, Create("tokens", "t", R"("n": 1)"));
  EXPECT_EQ(result.version(), 1);
  EXPECT_THAT(database_.ChangesAfter(before),
              ElementsAre("deleted t", "changed t"));
}

TEST_F(RecordEditorTest, AnExpiredRecordHoldsNoKey) {
  ASSERT_OK(database_.Apply(
      {"{collection: tokens, expire: {after: 1h}, fields: {n: {type: int, "
       "unique: true}}}"}));
  ASSERT_OK(Create("tokens", "t", R"("n": 1)"));
  database_.clock().Advance(absl::Hours(2));
  EXPECT_OK(Create("tokens", "u", R"("n": 1)"));
  EXPECT_EQ(Count("tokens"), 1);
}

TEST_F(RecordEditorTest, SlidingExpiryMovesEvenIfNothingChanges) {
  ASSERT_OK(database_.Apply(
      {"{collection: tokens, expire: {after: 1h, sliding: true}, fields: {n: "
       "{type: int}}}"}));
  ASSERT_OK(Create("tokens", "t", R"("n": 1)"));
  database_.clock().Advance(absl::Minutes(40));
  EXPECT_EQ(Update("tokens", "t", R"("n": 1)")->outcome(),
            Result::OUTCOME_UNCHANGED);
  database_.clock().Advance(absl::Minutes(40));
  EXPECT_TRUE(Exists("tokens", "t"));
  database_.clock().Advance(absl::Minutes(21));
  EXPECT_FALSE(Exists("tokens", "t"));
}

TEST_F(RecordEditorTest, ARefToAnExpiredRecordIsRefused) {
  ASSERT_OK(database_.Apply(
      {"{collection: sessions, expire: {after: 1h}, fields: {n: {type: int}}}",
       Messages("cascade")}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  database_.clock().Advance(absl::Hours(2));
  EXPECT_EQ(ReasonOf(Create("messages", "n", R"("session": "s")").status()),
            common::v1::ERROR_REASON_REFERENCE_MISSING);
  // What refers to it goes with it.
  ASSERT_OK(Create("sessions", "s"));
  EXPECT_FALSE(Exists("messages", "m"));
}

TEST_F(RecordEditorTest, ARollUpDoesNotBringBackAnExpiredParent) {
  ASSERT_OK(database_.Apply(
      {"{collection: sessions, expire: {after: 1h, sliding: true}, fields: {n: "
       "{type: int}}}",
       "{collection: messages, fields: {session: {type: ref(sessions), "
       "on_delete: cascade}}, rollups: {parent: session, set: {n: count}}}"}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  ASSERT_OK(Create("messages", "n", R"("session": "s")"));
  database_.clock().Advance(absl::Hours(2));
  ASSERT_OK(Delete("messages", "m"));
  EXPECT_FALSE(Exists("sessions", "s"));
  EXPECT_EQ(database_.SweepAll()->expired, 2);
}

TEST_F(RecordEditorTest, AClearedRefDoesNotBringBackAnExpiredRecord) {
  ASSERT_OK(database_.Apply(
      {kSessions,
       "{collection: messages, expire: {after: 1h, sliding: true}, fields: "
       "{session: {type: ref(sessions), on_delete: set_null}}}"}));
  ASSERT_OK(Create("sessions", "s"));
  ASSERT_OK(Create("messages", "m", R"("session": "s")"));
  database_.clock().Advance(absl::Hours(2));
  ASSERT_OK(Delete("sessions", "s"));
  EXPECT_FALSE(Exists("messages", "m"));
}

// Sweeps.

TEST_F(RecordEditorTest, ASweepDeletesWhatHasExpired) {
  ASSERT_OK(database_.Apply(
      {"{collection: sessions, expire: {field: until}, fields: {until: {type: "
       "timestamp}}}",
       Messages("cascade"),
       "{collection: holds, fields: {session: {type: ref(sessions)}}}"}));
  const char* soon = R"("until": "2027-01-15T09:00:00Z")";
  ASSERT_OK(Create("sessions", "a", soon));
  ASSERT_OK(Create("sessions", "held", soon));
  ASSERT_OK(Create("sessions", "never"));
  ASSERT_OK(Create("messages", "m", R"("session": "a")"));
  ASSERT_OK(Create("holds", "h", R"("session": "held")"));
  EXPECT_EQ(database_.SweepAll()->expired, 0);
  database_.clock().Advance(absl::Hours(24));
  const int64_t before = database_.newest_sequence();
  ASSERT_OK_AND_ASSIGN(const SweepResult swept, database_.SweepAll());
  EXPECT_EQ(swept.expired, 2);
  EXPECT_EQ(swept.kept, 1);
  EXPECT_EQ(swept.sequence, before + 2);
  EXPECT_THAT(database_.ChangesAfter(before),
              UnorderedElementsAre("deleted m", "deleted a"));
  EXPECT_EQ(Count("sessions"), 2);
  ASSERT_OK(Delete("holds", "h"));
  EXPECT_EQ(database_.SweepAll()->expired, 1);
}

TEST_F(RecordEditorTest, ASweepLeavesOutWhatAKeyKeepsFromGoing) {
  ASSERT_OK(database_.Apply(
      {"{collection: folders, expire: {field: until}, fields: {until: {type: "
       "timestamp}}}",
       "{collection: notes, fields: {folder: {type: ref(folders), on_delete: "
       "set_null}, title: {type: string}}, unique: [[folder, title]]}",
       "{collection: tokens, expire: {after: 1h}, fields: {n: {type: int}}}"}));
  const char* soon = R"("until": "2027-01-15T09:00:00Z")";
  ASSERT_OK(Create("folders", "a", soon));
  ASSERT_OK(Create("folders", "b", soon));
  ASSERT_OK(Create("folders", "c", soon));
  ASSERT_OK(Create("notes", "x", R"("folder": "a", "title": "t")"));
  ASSERT_OK(Create("notes", "u", R"("folder": "b", "title": "s")"));
  ASSERT_OK(Create("notes", "y", R"("folder": "b", "title": "t")"));
  ASSERT_OK(Create("tokens", "t"));
  database_.clock().Advance(absl::Hours(2));
  ASSERT_OK_AND_ASSIGN(const SweepResult swept, database_.SweepAll());
  EXPECT_EQ(swept.expired, 3);
  EXPECT_EQ(swept.kept, 1);
  EXPECT_EQ(Count("folders"), 1);
  // What could not go has lost nothing.
  EXPECT_EQ(Count("notes WHERE folder IS NULL"), 1);
}

TEST_F(RecordEditorTest, ASweepPurgesWhatWasDeletedLongAgo) {
  ASSERT_OK(database_.Apply({kDocs}));
  ASSERT_OK(Create("docs", "d", R"("title": "t")"));
  ASSERT_OK(Delete("docs", "d"));
  database_.clock().Advance(absl::Hours(24 * 29));
  EXPECT_EQ(database_.SweepAll()->purged, 0);
  database_.clock().Advance(absl::Hours(24 * 2));
  EXPECT_EQ(database_.SweepAll()->purged, 1);
  EXPECT_EQ(Count("docs"), 0);
}

TEST_F(RecordEditorTest, ASweepDropsOldVersions) {
  ASSERT_OK(database_.Apply(
      {"{collection: pages, history: {versions: 10, keep: 7d}, fields: {n: "
       "{type: int}}}"}));
  ASSERT_OK(Create("pages", "p", R"("n": 1)"));
  ASSERT_OK(Update("pages", "p", R"("n": 2)"));
  database_.clock().Advance(absl::Hours(24 * 8));
  ASSERT_OK(Update("pages", "p", R"("n": 3)"));
  EXPECT_EQ(database_.SweepAll()->versions, 1);
  EXPECT_EQ(database_.QueryInt("SELECT min(version) FROM _versions"), 2);
}

TEST_F(RecordEditorTest, ASweepOfManyGoesInSlices) {
  ASSERT_OK(database_.Apply(
      {"{collection: tokens, expire: {after: 1h}, fields: {n: {type: int}}}"}));
  std::vector<std::string> items;
  for (int i = 0; i < 2500; ++i) {
    items.push_back(R"({"collection": "tokens", "create": {}})");
  }
  ASSERT_OK(database_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  database_.clock().Advance(absl::Hours(2));
  EXPECT_EQ(database_.SweepAll()->expired, 2500);
  EXPECT_EQ(Count("tokens"), 0);
}

// Touches.

TEST_F(RecordEditorTest, ManyTouchesCountAsThatMany) {
  ASSERT_OK(database_.Apply({R"yaml(
collection: memories
fields:
  n:    {type: int, default: 0}
  heat: {type: double, default: 0.5}
  at:   {type: timestamp}
touch: {on: get, set: {n: "+1", heat: "min(heat + 0.25, 1)", at: now}}
)yaml"}));
  ASSERT_OK(Create("memories", "m"));
  const CollectionPtr memories =
      database_.database().catalog().Find("memories");
  const int64_t row = database_.QueryInt("SELECT _row FROM memories");
  const int64_t before = database_.newest_sequence();
  database_.clock().Advance(absl::Minutes(1));
  for (int i = 0; i < 7; ++i) database_.database().Touch(memories->id, row);
  EXPECT_EQ(database_.QueryInt("SELECT n FROM memories"), 0);
  database_.clock().Advance(absl::Seconds(1));
  database_.database().FlushTouches();
  ASSERT_OK(database_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  EXPECT_EQ(*database_.Fields("memories", "m"),
            R"({"at":"2027-01-15T08:01:00Z","heat":1,"n":7})");
  // No version, no change.
  EXPECT_EQ(database_.Get("memories", "m")->version(), 1);
  EXPECT_EQ(database_.newest_sequence(), before);
}

TEST_F(RecordEditorTest, ATouchBreaksNoCheck) {
  ASSERT_OK(database_.Apply({R"yaml(
collection: memories
fields:
  n:     {type: int, default: 0}
  limit: {type: int, default: 2}
checks: ["n <= limit"]
touch: {on: get, set: {n: "+1"}}
)yaml"}));
  ASSERT_OK(Create("memories", "m"));
  const int64_t id = database_.database().catalog().Find("memories")->id;
  for (int i = 0; i < 5; ++i) database_.database().Touch(id, 1);
  ASSERT_OK(Create("memories", "other"));
  ASSERT_OK(database_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  EXPECT_EQ(*database_.Fields("memories", "m"), R"({"limit":2,"n":2})");
}

TEST_F(RecordEditorTest, TouchesGoWithTheNextCommit) {
  ASSERT_OK(database_.Apply(
      {R"({collection: memories, fields: {n: {type: int, default: 0}},
          touch: {on: get, set: {n: "+1"}}})"}));
  ASSERT_OK(Create("memories", "m"));
  database_.database().Touch(
      database_.database().catalog().Find("memories")->id,
      database_.QueryInt("SELECT _row FROM memories"));
  ASSERT_OK(Create("memories", "other"));
  ASSERT_OK(database_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  EXPECT_EQ(database_.QueryInt("SELECT n FROM memories WHERE id = 'm'"), 1);
}

TEST_F(RecordEditorTest, TouchesSurviveAnOrderlyClose) {
  ASSERT_OK(database_.Apply(
      {R"({collection: memories, fields: {n: {type: int, default: 0}},
          touch: {on: get, set: {n: "+1"}}})"}));
  ASSERT_OK(Create("memories", "m"));
  database_.database().Touch(
      database_.database().catalog().Find("memories")->id,
      database_.QueryInt("SELECT _row FROM memories"));
  database_.Reopen();
  EXPECT_EQ(database_.QueryInt("SELECT n FROM memories"), 1);
}

TEST_F(RecordEditorTest, ATouchMovesASlidingExpiry) {
  ASSERT_OK(database_.Apply(
      {R"({collection: tokens, expire: {after: 1h, sliding: true},
          fields: {n: {type: int}}, touch: {on: get, set: {n: "+1"}}})"}));
  ASSERT_OK(Create("tokens", "t"));
  database_.clock().Advance(absl::Minutes(40));
  database_.database().Touch(database_.database().catalog().Find("tokens")->id,
                             database_.QueryInt("SELECT _row FROM tokens"));
  ASSERT_OK(Create("tokens", "other"));
  ASSERT_OK(database_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  database_.clock().Advance(absl::Minutes(40));
  EXPECT_TRUE(Exists("tokens", "t"));
}

}  // namespace
}  // namespace engram::storage
