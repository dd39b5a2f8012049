#include "services/storage/record_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/position/position.h"
#include "libs/sqlite/connection.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title:  {type: string, required: true}
  body:   {type: text}
  stars:  {type: int, default: 3}
  author: {type: string}
  slug:   {type: string, unique: true}
)";
// No two notes share a slug, and none is a slug too, so tests give one.

class RecordServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(storage_.ApplySchema({kNotes})); }

  static v1::WriteItem* AddUpsert(v1::WriteRequest& request,
                                  const std::string& id,
                                  const std::string& fields) {
    v1::WriteItem* item = request.add_items();
    item->set_collection("notes");
    item->mutable_upsert()->set_id(id);
    *item->mutable_upsert()->mutable_fields() = testing::ParseFields(fields);
    return item;
  }

  absl::StatusOr<v1::RecordServiceListResponse> List(
      int page_size, const std::string& token,
      const std::string& collection = "notes") {
    v1::RecordServiceListRequest request;
    request.set_collection(collection);
    request.set_page_size(page_size);
    request.set_page_token(token);
    grpc::ClientContext context;
    v1::RecordServiceListResponse response;
    const grpc::Status status =
        storage_.records().List(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  absl::StatusOr<v1::BatchGetResponse> BatchGet(
      const std::vector<std::string>& ids,
      const std::vector<std::string>& mask = {}) {
    v1::BatchGetRequest request;
    request.set_collection("notes");
    for (const std::string& id : ids) request.add_ids(id);
    for (const std::string& path : mask) {
      request.mutable_read_mask()->add_paths(path);
    }
    grpc::ClientContext context;
    v1::BatchGetResponse response;
    const grpc::Status status =
        storage_.records().BatchGet(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
};

TEST_F(RecordServiceTest, ReturnsWhatWasWritten) {
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResponse written,
      storage_.Upsert("notes", "a",
                      R"({"title": "Hello", "slug": "hello", "stars": 5})"));
  EXPECT_EQ(written.results(0).id(), "a");
  EXPECT_EQ(written.results(0).version(), 1);
  ASSERT_OK_AND_ASSIGN(const v1::Record record, storage_.Get("notes", "a"));
  EXPECT_EQ(record.fields().fields().at("title").string_value(), "Hello");
  EXPECT_EQ(record.fields().fields().at("stars").number_value(), 5);
  EXPECT_FALSE(record.fields().fields().contains("body"));
  EXPECT_EQ(record.version(), 1);
  EXPECT_EQ(record.create_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
}

TEST_F(RecordServiceTest, AnUpsertChangesOnlyWhatItSends) {
  ASSERT_OK(storage_.Upsert(
      "notes", "a", R"({"title": "x", "slug": "s", "body": "b", "stars": 1})"));
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResponse written,
      storage_.Upsert("notes", "a", R"({"title": "y", "body": null})"));
  EXPECT_EQ(written.results(0).version(), 2);
  ASSERT_OK_AND_ASSIGN(const v1::Record record, storage_.Get("notes", "a"));
  EXPECT_EQ(record.fields().fields().at("title").string_value(), "y");
  EXPECT_EQ(record.fields().fields().at("stars").number_value(), 1);
  EXPECT_FALSE(record.fields().fields().contains("body"));
  EXPECT_EQ(record.update_time().seconds() - record.create_time().seconds(), 5);
}

TEST_F(RecordServiceTest, NewRecordsGetDefaultsAndAnId) {
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse written,
                       storage_.Upsert("notes", "", R"({"title": "x"})"));
  const std::string id = written.results(0).id();
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-"
                               "[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  ASSERT_OK_AND_ASSIGN(const v1::Record record, storage_.Get("notes", id));
  EXPECT_EQ(record.fields().fields().at("stars").number_value(), 3);
}

TEST_F(RecordServiceTest, DeletedRecordsAreGoneAndARepeatIsNoError) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x"})"));
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse first,
                       storage_.Delete("notes", "a"));
  EXPECT_EQ(first.results(0).version(), 0);
  EXPECT_THAT(storage_.Get("notes", "a"),
              StatusIs(absl::StatusCode::kNotFound, "no record \"a\""));
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse second,
                       storage_.Delete("notes", "a"));
  EXPECT_EQ(second.position(), first.position());
}

TEST_F(RecordServiceTest, ARequestIsAllOrNothing) {
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"title": "x", "slug": "1"})");
  AddUpsert(request, "b", R"({"slug": "2"})");
  const auto written = storage_.Write(request);
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kInvalidArgument,
                                "items[1].upsert.fields.title: is required"));
  EXPECT_THAT(storage_.Get("notes", "a"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordServiceTest, ItemsOfOneRequestSeeEachOther) {
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"title": "x", "slug": "1"})");
  AddUpsert(request, "a", R"({"stars": 4})");
  request.add_items()->set_collection("notes");
  request.mutable_items(2)->mutable_delete_()->set_id("a");
  AddUpsert(request, "a", R"({"title": "y", "slug": "1"})");
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse written,
                       storage_.Write(request));
  EXPECT_EQ(written.results(1).version(), 2);
  EXPECT_EQ(written.results(3).version(), 1);
  ASSERT_OK_AND_ASSIGN(const v1::Record record, storage_.Get("notes", "a"));
  EXPECT_EQ(record.fields().fields().at("stars").number_value(), 3);
}

TEST_F(RecordServiceTest, PositionsGrow) {
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse first,
                       storage_.Upsert("notes", "a", R"({"title": "x"})"));
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse second,
                       storage_.Upsert("notes", "a", R"({"title": "y"})"));
  ASSERT_OK_AND_ASSIGN(const Position before,
                       Position::Parse(first.position()));
  ASSERT_OK_AND_ASSIGN(const Position after,
                       Position::Parse(second.position()));
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(after.sequence, before.sequence + 1);
}

TEST_F(RecordServiceTest, TimeNeverRunsBackwards) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x", "slug": "1"})"));
  clock_.Advance(-absl::Hours(1));
  ASSERT_OK(storage_.Upsert("notes", "b", R"({"title": "x", "slug": "2"})"));
  ASSERT_OK_AND_ASSIGN(const v1::Record a, storage_.Get("notes", "a"));
  ASSERT_OK_AND_ASSIGN(const v1::Record b, storage_.Get("notes", "b"));
  EXPECT_EQ(b.create_time().seconds(), a.create_time().seconds());
}

TEST_F(RecordServiceTest, AUniqueKeyFindsTheRecordOfAnUpsertWithoutId) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x", "slug": "s"})"));
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResponse written,
      storage_.Upsert("notes", "", R"({"title": "y", "slug": "s"})"));
  EXPECT_EQ(written.results(0).id(), "a");
  EXPECT_EQ(written.results(0).version(), 2);
}

TEST_F(RecordServiceTest, AUniqueKeyHeldByAnotherRecordIsRefused) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x", "slug": "s"})"));
  ASSERT_OK(storage_.Upsert("notes", "b", R"({"title": "x", "slug": "t"})"));
  for (const char* id : {"b", "c"}) {
    const auto written =
        storage_.Upsert("notes", id, R"({"title": "y", "slug": "s"})");
    EXPECT_THAT(written,
                StatusIs(absl::StatusCode::kAlreadyExists,
                         absl::StrCat("unique key (slug) of record \"", id,
                                      "\" is held by record \"a\"")));
    EXPECT_EQ(ReasonOf(written.status()),
              common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN);
  }
  // What does not touch the key is not compared with it.
  EXPECT_OK(storage_.Upsert("notes", "b", R"({"stars": 1})"));
}

TEST_F(RecordServiceTest, ARequiredFieldCannotBeCleared) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x"})"));
  EXPECT_THAT(storage_.Upsert("notes", "a", R"({"title": null})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "items[0].upsert.fields.title"));
}

TEST_F(RecordServiceTest, ReportsEveryMistakeAtOnce) {
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"title": 7, "color": "red"})");
  AddUpsert(request, std::string("b\n"), R"({"title": "x"})");
  AddUpsert(request, "c", R"({"title": "x", "stars": 1.5})");
  request.add_items()->set_collection("notes");
  request.add_items()->mutable_delete_()->set_id("x");
  const absl::Status status = storage_.Write(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FIELD_INVALID);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("items[0].upsert.fields.title:"),
            HasSubstr("items[0].upsert.fields.color:"),
            HasSubstr("items[1].upsert.id:"),
            HasSubstr("items[2].upsert.fields.stars:"),
            HasSubstr("items[3]: has no action"), HasSubstr("and 1 more")));
}

TEST_F(RecordServiceTest, RefusesNumbersThatAreNone) {
  v1::WriteRequest request;
  auto* item = AddUpsert(request, "a", R"({"title": "x"})");
  (*item->mutable_upsert()->mutable_fields()->mutable_fields())["stars"]
      .set_number_value(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "items[0].upsert.fields.stars"));
}

TEST_F(RecordServiceTest, RefusesRequestsBeyondTheLimits) {
  v1::WriteRequest request;
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "items: has 0"));
  AddUpsert(request, "a", R"({"title": "x"})");
  request.set_request_id(std::string(129, 'r'));
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  request.clear_request_id();
  request.mutable_items(0)->mutable_upsert()->set_id(std::string(513, 'i'));
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "items[0].upsert.id: has 513 bytes"));
  request.mutable_items(0)->mutable_upsert()->set_id("a");
  for (int i = 0; i < 10'000; ++i) *request.add_items() = request.items(0);
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "items: has 10001"));
}

TEST_F(RecordServiceTest, UnknownDatabasesAndCollectionsAreNotFound) {
  const absl::Status collection =
      storage_.Upsert("nothing", "a", "{}").status();
  EXPECT_THAT(collection, StatusIs(absl::StatusCode::kNotFound, "items[0]"));
  EXPECT_EQ(ReasonOf(collection), common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
  v1::WriteRequest request;
  request.set_database("nowhere");
  AddUpsert(request, "a", R"({"title": "x"})");
  const absl::Status database = storage_.Write(request).status();
  EXPECT_THAT(database, StatusIs(absl::StatusCode::kNotFound, "nowhere"));
  EXPECT_EQ(ReasonOf(database), common::v1::ERROR_REASON_DATABASE_UNKNOWN);
  EXPECT_THAT(List(0, "", "nothing"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordServiceTest, ARepeatedRequestGetsTheFirstAnswer) {
  v1::WriteRequest request;
  AddUpsert(request, "", R"({"title": "x", "body": "b", "stars": 2})");
  request.set_request_id("r-1");
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse first, storage_.Write(request));
  storage_.Restart();
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse second, storage_.Write(request));
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const auto page, List(0, ""));
  EXPECT_EQ(page.records_size(), 1);
}

TEST_F(RecordServiceTest, ARequestIdServesOneRequest) {
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"title": "x"})");
  request.set_request_id("r-1");
  ASSERT_OK(storage_.Write(request));
  request.mutable_items(0)->mutable_upsert()->set_id("b");
  const absl::Status status = storage_.Write(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_REQUEST_ID_REUSED);
  clock_.Advance(absl::Hours(25));
  EXPECT_OK(storage_.Upsert("notes", "a", R"({"slug": "1"})"));
  EXPECT_OK(storage_.Write(request));
}

TEST_F(RecordServiceTest, AFailedRequestDoesNotUseUpItsId) {
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"stars": 1})");
  request.set_request_id("r-1");
  EXPECT_THAT(storage_.Write(request),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x"})"));
  EXPECT_OK(storage_.Write(request));
}

TEST_F(RecordServiceTest, ListsInTheOrderOfCreationPageByPage) {
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_OK(storage_.Upsert(
        "notes", id, absl::StrCat(R"({"title": "x", "slug": ")", id, "\"}")));
  }
  ASSERT_OK(storage_.Upsert("notes", "c", R"({"stars": 9})"));
  ASSERT_OK_AND_ASSIGN(const auto first, List(2, ""));
  ASSERT_EQ(first.records_size(), 2);
  EXPECT_EQ(first.records(0).id(), "c");
  EXPECT_EQ(first.records(1).id(), "a");
  // A token stays good while records come and go.
  ASSERT_OK(storage_.Delete("notes", "a"));
  ASSERT_OK_AND_ASSIGN(const auto second, List(2, first.next_page_token()));
  ASSERT_EQ(second.records_size(), 1);
  EXPECT_EQ(second.records(0).id(), "b");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(RecordServiceTest, PagesOfLargeRecordsEndEarly) {
  const std::string body(900'000, 'b');
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_OK(storage_.Upsert("notes", id,
                              absl::StrCat(R"({"title": "x", "slug": ")", id,
                                           R"(", "body": ")", body, "\"}")));
  }
  ASSERT_OK_AND_ASSIGN(const auto first, List(0, ""));
  EXPECT_EQ(first.records_size(), 2);
  ASSERT_OK_AND_ASSIGN(const auto second, List(0, first.next_page_token()));
  ASSERT_EQ(second.records_size(), 1);
  EXPECT_EQ(second.records(0).id(), "c");
}

TEST_F(RecordServiceTest, RefusesForeignPageTokens) {
  ASSERT_OK(storage_.ApplySchema(
      {R"({collection: other, fields: {f: {type: int}}})"}));
  ASSERT_OK(storage_.Upsert("other", "a", "{}"));
  ASSERT_OK(storage_.Upsert("other", "b", "{}"));
  ASSERT_OK_AND_ASSIGN(const auto page, List(1, "", "other"));
  EXPECT_THAT(List(1, page.next_page_token()),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
  EXPECT_THAT(List(1, "!"),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
  EXPECT_THAT(List(-1, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_size"));
}

TEST_F(RecordServiceTest, BatchGetKeepsTheOrderAndNamesWhatIsMissing) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "A", "slug": "1"})"));
  ASSERT_OK(storage_.Upsert("notes", "b", R"({"title": "B", "slug": "2"})"));
  ASSERT_OK_AND_ASSIGN(const auto response,
                       BatchGet({"b", "x", "a"}, {"title"}));
  ASSERT_EQ(response.records_size(), 2);
  EXPECT_EQ(response.records(0).id(), "b");
  EXPECT_EQ(response.records(1).id(), "a");
  EXPECT_EQ(response.records(0).fields().fields_size(), 1);
  EXPECT_THAT(response.missing_ids(), ElementsAre("x"));
  EXPECT_OK(Position::Parse(response.position()));
}

TEST_F(RecordServiceTest, RefusesBadReads) {
  EXPECT_THAT(
      BatchGet({"a"}, {"title", "color"}),
      StatusIs(absl::StatusCode::kInvalidArgument, "read_mask.paths[1]"));
  EXPECT_THAT(BatchGet({}),
              StatusIs(absl::StatusCode::kInvalidArgument, "ids: has 0"));
  EXPECT_THAT(BatchGet({"a", ""}),
              StatusIs(absl::StatusCode::kInvalidArgument, "ids[1]"));
  EXPECT_THAT(BatchGet(std::vector<std::string>(1001, "a")),
              StatusIs(absl::StatusCode::kInvalidArgument, "ids: has 1001"));
  EXPECT_THAT(storage_.Get("notes", "\x7f"),
              StatusIs(absl::StatusCode::kInvalidArgument, "id"));
}

TEST_F(RecordServiceTest, AcknowledgedWritesSurviveARestart) {
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse before,
                       storage_.Upsert("notes", "a", R"({"title": "x"})"));
  storage_.Restart();
  EXPECT_OK(storage_.Get("notes", "a"));
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResponse after,
      storage_.Upsert("notes", "b", R"({"title": "x", "slug": "b"})"));
  ASSERT_OK_AND_ASSIGN(const Position first,
                       Position::Parse(before.position()));
  ASSERT_OK_AND_ASSIGN(const Position second,
                       Position::Parse(after.position()));
  EXPECT_EQ(second.epoch, first.epoch);
  EXPECT_EQ(second.sequence, first.sequence + 1);
}

TEST_F(RecordServiceTest, AnswersTypedBodies) {
  ASSERT_OK(storage_.Upsert("notes", "a", R"({"title": "x", "stars": 5})"));
  v1::RecordServiceGetRequest request;
  request.set_collection("notes");
  request.set_id("a");
  request.set_typed(true);
  request.mutable_read_mask()->add_paths("title");
  grpc::ClientContext context;
  v1::RecordServiceGetResponse response;
  ASSERT_OK(
      FromGrpcStatus(storage_.records().Get(&context, request, &response)));
  // Field 1, length 1.
  EXPECT_EQ(response.record().typed(), "\x0a\x01x");
  EXPECT_FALSE(response.record().has_fields());
  // What was answered can be written.
  v1::WriteRequest write;
  write.add_items()->set_collection("notes");
  v1::Record& copy = *write.mutable_items(0)->mutable_create();
  copy.set_id("b");
  copy.set_typed(response.record().typed() + "\x2a\x01s");
  ASSERT_OK(storage_.Write(write));
  ASSERT_OK_AND_ASSIGN(const v1::Record record, storage_.Get("notes", "b"));
  EXPECT_EQ(record.fields().fields().at("title").string_value(), "x");
  EXPECT_EQ(record.fields().fields().at("slug").string_value(), "s");
}

TEST_F(RecordServiceTest, AGetAnswersWhatItTouchesAsItWas) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: memories
fields: {reads: {type: int, default: 0}}
touch: {on: get, set: {reads: "+1"}}
)"}));
  ASSERT_OK(storage_.Upsert("memories", "m", "{}"));
  const auto reads = [&]() -> double {
    const auto record = storage_.Get("memories", "m");
    return record.ok() ? record->fields().fields().at("reads").number_value()
                       : -1;
  };
  EXPECT_EQ(reads(), 0);
  EXPECT_EQ(reads(), 0);
  // Both go with the next commit; the second write waits for it.
  ASSERT_OK(storage_.Upsert("memories", "other", "{}"));
  ASSERT_OK(storage_.Upsert("memories", "third", "{}"));
  EXPECT_EQ(reads(), 2);
}

TEST_F(RecordServiceTest, SweepsOnRequest) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: tokens
fields: {n: {type: int}}
expire: {after: 1h}
)"}));
  ASSERT_OK(storage_.Upsert("tokens", "t", "{}"));
  EXPECT_TRUE(storage_.Get("tokens", "t")->has_expire_time());
  clock_.Advance(absl::Hours(2));
  EXPECT_THAT(storage_.Get("tokens", "t"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(List(0, "", "tokens")->records_size(), 0);
  v1::SweepExpiredRequest request;
  const auto sweep = [&]() -> absl::StatusOr<v1::SweepExpiredResponse> {
    grpc::ClientContext context;
    v1::SweepExpiredResponse response;
    const grpc::Status status =
        storage_.records().SweepExpired(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  };
  request.set_collection("notes");
  EXPECT_EQ(sweep()->expired(), 0);
  request.set_collection("tokens");
  EXPECT_EQ(sweep()->expired(), 1);
  request.set_collection("nothing");
  EXPECT_THAT(sweep(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordServiceTest, AWriteWhoseClientHasGoneIsNotBegun) {
  // Another process's lock keeps the writer waiting.
  std::string file;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(storage_.data_dir())) {
    if (entry.path().filename() == "engram.db") file = entry.path();
  }
  ASSERT_OK_AND_ASSIGN(const auto other, sqlite::Connection::Open(
                                             file, sqlite::Access::kReadWrite));
  ASSERT_OK(other->Execute("BEGIN IMMEDIATE"));
  v1::WriteRequest request;
  AddUpsert(request, "a", R"({"title": "x"})");
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  v1::WriteResponse response;
  grpc::Status status;
  const auto call = storage_.records().AsyncWrite(&context, request, &queue);
  call->Finish(&response, &status, nullptr);
  // Answered after the call before it reached the server.
  EXPECT_FALSE(storage_.Get("notes", "a").ok());
  context.TryCancel();
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_FALSE(storage_.Get("notes", "a").ok());
  ASSERT_OK(other->Execute("ROLLBACK"));
  ASSERT_OK(storage_.Upsert("notes", "b", R"({"title": "y"})"));
  EXPECT_THAT(storage_.Get("notes", "a"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace engram::storage
