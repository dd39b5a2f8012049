#include "services/storage/record_versions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"
#include "libs/json/json.h"
#include "libs/schema/field_value.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/record_codec.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestDatabase;

constexpr char kPages[] = R"(
collection: pages
fields:
  title: {type: string}
  n:     {type: int}
  twice: {type: int, generated: 'n * 2'}
  note:  {type: string}
history: {versions: 5}
)";
constexpr char kHidden[] = R"(
collection: hidden
fields:
  title: {type: string}
soft_delete: true
history: true
)";

std::string Json(const google::protobuf::Struct& fields) {
  std::string text;
  json::AppendJson(fields, &text);
  return text;
}

class RecordVersionsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(database_.Apply({kPages, kHidden})); }

  // Each a second after the one before.
  absl::Status Write(const std::string& collection, const std::string& action,
                     const std::string& more = "") {
    database_.clock().Advance(absl::Seconds(1));
    return database_
        .WriteOne(absl::StrCat(R"({"collection": ")", collection, R"(", ")",
                               action, R"(": {"id": "p")", more, "}}"))
        .status();
  }
  absl::Status Put(const std::string& collection, const std::string& fields) {
    return Write(collection, "upsert",
                 absl::StrCat(R"(, "fields": {)", fields, "}"));
  }
  absl::Status Delete(const std::string& collection) {
    return Write(collection, "delete");
  }

  absl::StatusOr<v1::ListVersionsResponse> Ask(const std::string& collection,
                                               const std::string& more = "") {
    v1::ListVersionsRequest request;
    const std::string json = absl::StrCat(R"({"collection": ")", collection,
                                          R"(", "id": "p")", more, "}");
    const auto status =
        google::protobuf::util::JsonStringToMessage(json, &request);
    if (!status.ok()) ADD_FAILURE() << json << ": " << status.ToString();
    v1::ListVersionsResponse response;
    RETURN_IF_ERROR(ListVersions(database_.database(), request, &response));
    return response;
  }

  // `<version> <fields> <how it ended> <when, in seconds>` of each.
  std::vector<std::string> Versions(const std::string& collection,
                                    const std::string& more = "") {
    const auto response = Ask(collection, more);
    if (!response.ok()) return {response.status().ToString()};
    return Described(*response);
  }
  static std::vector<std::string> Described(
      const v1::ListVersionsResponse& response) {
    std::vector<std::string> described;
    for (const v1::RecordVersion& version : response.versions()) {
      EXPECT_EQ(version.record().id(), "p");
      std::string text = absl::StrCat(version.record().version(), " ",
                                      Json(version.record().fields()));
      if (version.has_end_time()) {
        absl::StrAppend(&text, version.deleted() ? " deleted " : " changed ",
                        version.end_time().seconds() - kStart);
      }
      described.push_back(text);
    }
    return described;
  }

  // What the clock of a TestDatabase begins with.
  static constexpr int64_t kStart = 1'800'000'000;

  TestDatabase database_;
};

TEST_F(RecordVersionsTest, ListsThePresentVersionThenOldOnes) {
  ASSERT_OK(Put("pages", R"("title": "one", "n": 1)"));
  ASSERT_OK(Put("pages", R"("title": "two")"));
  ASSERT_OK(Put("pages", R"("n": null, "note": "x")"));
  EXPECT_THAT(Versions("pages"),
              ElementsAre(R"(3 {"note":"x","title":"two"})",
                          R"(2 {"n":1,"title":"two","twice":2} changed 3)",
                          R"(1 {"n":1,"title":"one","twice":2} changed 2)"));
  ASSERT_OK_AND_ASSIGN(const auto response, Ask("pages"));
  EXPECT_EQ(response.next_page_token(), "");
  const v1::Record& oldest = response.versions(2).record();
  EXPECT_EQ(TimeUtil::ToString(oldest.create_time()), "2027-01-15T08:00:01Z");
  EXPECT_EQ(TimeUtil::ToString(oldest.update_time()), "2027-01-15T08:00:01Z");
  EXPECT_EQ(TimeUtil::ToString(response.versions(1).record().update_time()),
            "2027-01-15T08:00:02Z");
}

TEST_F(RecordVersionsTest, OnlyAsManyAreKeptAsTheSchemaSays) {
  for (int i = 1; i <= 9; ++i) {
    ASSERT_OK(Put("pages", absl::StrCat(R"("n": )", i)));
  }
  ASSERT_OK_AND_ASSIGN(const auto response, Ask("pages"));
  EXPECT_THAT(response.versions(), SizeIs(6));
  EXPECT_EQ(response.versions(5).record().version(), 4);
}

TEST_F(RecordVersionsTest, ADeletedRecordHasItsVersions) {
  ASSERT_OK(Put("pages", R"("title": "one")"));
  ASSERT_OK(Put("pages", R"("title": "two")"));
  ASSERT_OK(Delete("pages"));
  EXPECT_THAT(Versions("pages"), ElementsAre(R"(2 {"title":"two"} deleted 3)",
                                             R"(1 {"title":"one"} changed 2)"));
}

TEST_F(RecordVersionsTest, LivesOfOneIdFollowEachOther) {
  ASSERT_OK(Put("pages", R"("title": "a")"));
  ASSERT_OK(Put("pages", R"("title": "b")"));
  ASSERT_OK(Put("pages", R"("title": "c")"));
  ASSERT_OK(Delete("pages"));
  ASSERT_OK(Put("pages", R"("title": "d")"));
  ASSERT_OK(Delete("pages"));
  ASSERT_OK(Put("pages", R"("title": "e")"));
  ASSERT_OK(Put("pages", R"("title": "f")"));
  EXPECT_THAT(Versions("pages"),
              ElementsAre(R"(2 {"title":"f"})", R"(1 {"title":"e"} changed 8)",
                          R"(1 {"title":"d"} deleted 6)",
                          R"(3 {"title":"c"} deleted 4)",
                          R"(2 {"title":"b"} changed 3)",
                          R"(1 {"title":"a"} changed 2)"));
}

TEST_F(RecordVersionsTest, ADeletedRecordThatIsKeptEndsOnce) {
  ASSERT_OK(Put("hidden", R"("title": "one")"));
  ASSERT_OK(Put("hidden", R"("title": "two")"));
  ASSERT_OK(Delete("hidden"));
  EXPECT_THAT(Versions("hidden"),
              ElementsAre(R"(2 {"title":"two"} deleted 3)",
                          R"(1 {"title":"one"} changed 2)"));
  ASSERT_OK(Write("hidden", "restore"));
  EXPECT_THAT(
      Versions("hidden"),
      ElementsAre(R"(3 {"title":"two"})", R"(2 {"title":"two"} deleted 3)",
                  R"(1 {"title":"one"} changed 2)"));
}

TEST_F(RecordVersionsTest, WithoutAHistoryThereIsTheRecordItself) {
  ASSERT_OK(database_.Apply({"collection: plain\nfields: {n: {type: int}}\n",
                             "collection: soft\nfields: {n: {type: int}}\n"
                             "soft_delete: true\n"}));
  for (const char* collection : {"plain", "soft"}) {
    ASSERT_OK(Put(collection, R"("n": 1)"));
    ASSERT_OK(Put(collection, R"("n": 2)"));
    EXPECT_THAT(Versions(collection), ElementsAre(R"(2 {"n":2})"));
    ASSERT_OK(Delete(collection));
  }
  EXPECT_THAT(Ask("plain"), StatusIs(absl::StatusCode::kNotFound));
  // It is kept, if not as a version.
  EXPECT_THAT(Versions("soft"), ElementsAre(R"(2 {"n":2} deleted 6)"));
}

TEST_F(RecordVersionsTest, OfNothingKeptTheRecordIsUnknown) {
  const auto never = Ask("pages");
  EXPECT_THAT(never, StatusIs(absl::StatusCode::kNotFound, "\"p\""));
  EXPECT_EQ(ReasonOf(never.status()), common::v1::ERROR_REASON_RECORD_UNKNOWN);
  ASSERT_OK(Put("pages", R"("n": 1)"));
  ASSERT_OK(Put("pages", R"("n": 2)"));
  ASSERT_OK(Write("pages", "delete", R"(, "purge": true)"));
  EXPECT_THAT(Ask("pages"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Ask("pagse"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordVersionsTest, AnExpiredRecordHidesItsHistory) {
  ASSERT_OK(database_.Apply({R"(
collection: brief
fields:
  n:  {type: int}
  at: {type: timestamp}
expire: {field: at}
history: true
)"}));
  ASSERT_OK(Put("brief", R"("n": 1)"));
  ASSERT_OK(Put("brief", R"("n": 2, "at": "2027-01-15T08:00:09Z")"));
  ASSERT_OK_AND_ASSIGN(const auto response, Ask("brief"));
  EXPECT_THAT(response.versions(), SizeIs(2));
  EXPECT_EQ(TimeUtil::ToString(response.versions(0).record().expire_time()),
            "2027-01-15T08:00:09Z");
  database_.clock().Advance(absl::Seconds(7));
  EXPECT_THAT(Ask("brief"), StatusIs(absl::StatusCode::kNotFound));
  // As it is once the record is swept.
  ASSERT_OK(database_.SweepAll());
  EXPECT_THAT(Ask("brief"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordVersionsTest, PagesStayGoodWhileVersionsComeAndGo) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_OK(Put("pages", absl::StrCat(R"("n": )", i)));
  }
  ASSERT_OK_AND_ASSIGN(const auto first, Ask("pages", R"(, "pageSize": 2)"));
  EXPECT_THAT(Described(first),
              ElementsAre(R"(5 {"n":5,"twice":10})",
                          R"(4 {"n":4,"twice":8} changed 5)"));
  ASSERT_NE(first.next_page_token(), "");
  // Version 1 goes for version 6, and the record is deleted and made again.
  ASSERT_OK(Put("pages", R"("n": 6)"));
  ASSERT_OK(Put("pages", R"("n": 7)"));
  ASSERT_OK(Delete("pages"));
  ASSERT_OK(Put("pages", R"("n": 8)"));
  const std::string next = absl::StrCat(R"(, "pageSize": 2, "pageToken": ")");
  ASSERT_OK_AND_ASSIGN(const auto second,
                       Ask("pages", next + first.next_page_token() + "\""));
  EXPECT_THAT(Described(second),
              ElementsAre(R"(3 {"n":3,"twice":6} changed 4)"));
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(RecordVersionsTest, APageOfWhatHasGoneIsEmpty) {
  ASSERT_OK(Put("pages", R"("n": 1)"));
  ASSERT_OK(Put("pages", R"("n": 2)"));
  ASSERT_OK_AND_ASSIGN(const auto first, Ask("pages", R"(, "pageSize": 1)"));
  ASSERT_NE(first.next_page_token(), "");
  ASSERT_OK(Write("pages", "delete", R"(, "purge": true)"));
  ASSERT_OK_AND_ASSIGN(
      const auto second,
      Ask("pages",
          absl::StrCat(R"(, "pageToken": ")", first.next_page_token(), "\"")));
  EXPECT_THAT(second.versions(), IsEmpty());
}

TEST_F(RecordVersionsTest, PagesOfEverySizeListEachVersionOnce) {
  ASSERT_OK(
      database_.Apply({"collection: long\nfields: {n: {type: int}}\n"
                       "history: true\n"}));
  for (int life = 0; life < 3; ++life) {
    for (int i = 0; i < 4; ++i) {
      ASSERT_OK(Put("long", absl::StrCat(R"("n": )", 10 * life + i)));
    }
    if (life < 2) {
      ASSERT_OK(Delete("long"));
    }
  }
  const std::vector<std::string> all = Versions("long");
  EXPECT_THAT(all, SizeIs(12));
  for (const int size : {1, 2, 3, 5, 12, 13}) {
    std::vector<std::string> listed;
    std::string token;
    do {
      ASSERT_OK_AND_ASSIGN(
          const auto page,
          Ask("long", absl::StrCat(R"(, "pageSize": )", size,
                                   R"(, "pageToken": ")", token, "\"")));
      for (const std::string& one : Described(page)) listed.push_back(one);
      token = page.next_page_token();
    } while (!token.empty());
    EXPECT_EQ(listed, all) << size;
  }
}

TEST_F(RecordVersionsTest, APageEndsWhereItIsLarge) {
  const std::string text(600'000, 'x');
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(Put("pages",
                  absl::StrCat(R"("n": )", i, R"(, "note": ")", text, "\"")));
  }
  ASSERT_OK_AND_ASSIGN(const auto response, Ask("pages"));
  EXPECT_THAT(response.versions(), SizeIs(2));
  EXPECT_NE(response.next_page_token(), "");
  // What is not asked for takes no room.
  ASSERT_OK_AND_ASSIGN(const auto small, Ask("pages", R"(, "readMask": "n")"));
  EXPECT_THAT(small.versions(), SizeIs(4));
}

TEST_F(RecordVersionsTest, MasksAndTypedBodiesAreAsOfReads) {
  ASSERT_OK(Put("pages", R"("title": "one", "n": 4)"));
  ASSERT_OK(Put("pages", R"("title": "two")"));
  EXPECT_THAT(Versions("pages", R"(, "readMask": "twice,id")"),
              ElementsAre(R"(2 {"twice":8})", R"(1 {"twice":8} changed 2)"));
  EXPECT_THAT(Versions("pages", R"(, "readMask": "id")"),
              ElementsAre("2 {}", "1 {} changed 2"));
  EXPECT_THAT(Ask("pages", R"(, "readMask": "titel")"),
              StatusIs(absl::StatusCode::kInvalidArgument, "titel"));
  ASSERT_OK_AND_ASSIGN(const auto typed,
                       Ask("pages", R"(, "readMask": "title", "typed": true)"));
  const CollectionPtr pages = database_.database().catalog().Find("pages");
  std::vector<std::string> titles;
  for (const v1::RecordVersion& version : typed.versions()) {
    EXPECT_OK(
        schema::DecodeTyped(pages->spec, pages->typed, version.record().typed(),
                            [&](int, absl::StatusOr<ColumnValue> value) {
                              titles.push_back(std::get<std::string>(*value));
                            }));
  }
  EXPECT_THAT(titles, ElementsAre("two", "one"));
}

TEST_F(RecordVersionsTest, FollowsASchemaThatHasChanged) {
  ASSERT_OK(Put("pages", R"("title": "7", "n": 1, "note": "gone")"));
  ASSERT_OK(Put("pages", R"("title": "8")"));
  // Renamed, retyped, dropped, and one more.
  ASSERT_OK(database_.Apply({R"(
collection: pages
fields:
  heading: {type: string, renamed_from: title}
  n:       {type: string}
  extra:   {type: int, default: 5}
history: {versions: 5}
)"}));
  EXPECT_THAT(Versions("pages"),
              ElementsAre(R"(2 {"extra":5,"heading":"8","n":"1"})",
                          R"(1 {"heading":"7"} changed 2)"));
}

TEST_F(RecordVersionsTest, AValueThatItsFieldCannotHoldAnyMoreIsLeftOut) {
  ASSERT_OK(Put("pages", R"("title": "no json", "n": 1)"));
  ASSERT_OK(Put("pages", R"("title": "{}")"));
  ASSERT_OK(database_.Apply({R"(
collection: pages
fields:
  title: {type: json}
  n:     {type: int}
history: {versions: 5}
)"}));
  EXPECT_THAT(Versions("pages"),
              ElementsAre(R"(2 {"n":1,"title":{}})", R"(1 {"n":1} changed 2)"));
  // Restored it would lose the value, so it is not.
  EXPECT_THAT(Write("pages", "restore", R"(, "version": 1)"),
              ::testing::Not(::engram::testing::IsOk()));
}

TEST_F(RecordVersionsTest, RequestsAreChecked) {
  ASSERT_OK(Put("pages", R"("n": 1)"));
  ASSERT_OK(Put("hidden", R"("title": "x")"));
  ASSERT_OK(Put("hidden", R"("title": "y")"));
  ASSERT_OK_AND_ASSIGN(const auto other, Ask("hidden", R"(, "pageSize": 1)"));
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Ask("pages", R"(, "pageSize": -1)"),
              StatusIs(kInvalid, "page_size"));
  EXPECT_THAT(Ask("pages", R"(, "pageToken": "nonsense")"),
              StatusIs(kInvalid, "page_token"));
  EXPECT_THAT(Ask("pages", absl::StrCat(R"(, "pageToken": ")",
                                        other.next_page_token(), "\"")),
              StatusIs(kInvalid, "page_token"));
  v1::ListVersionsRequest request;
  request.set_collection("pages");
  v1::ListVersionsResponse response;
  EXPECT_THAT(ListVersions(database_.database(), request, &response),
              StatusIs(kInvalid, "id"));
}

}  // namespace
}  // namespace engram::storage
