#include "services/storage/storage_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::engram::testing::TempDirectory;

constexpr char kNotes[] = "{collection: notes, fields: {f: {type: int}}}";

class StorageServerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<StorageServer>> Create() {
    StorageOptions options;
    options.data_dir = directory_.File("data");
    options.lock_wait = absl::ZeroDuration();
    registries_.push_back(std::make_unique<prometheus::Registry>());
    return StorageServer::Create(options, *registries_.back());
  }

  // The one file below data/default.
  std::string DatabaseFile() {
    for (const auto& file : std::filesystem::recursive_directory_iterator(
             directory_.File("data/default"))) {
      if (file.path().filename() == "engram.db") return file.path();
    }
    return "";
  }

  void ExecuteIn(const std::string& path, absl::string_view sql) {
    ASSERT_OK_AND_ASSIGN(
        auto connection,
        sqlite::Connection::Open(path, sqlite::Access::kReadWrite));
    ASSERT_OK(connection->Execute(sql));
  }

  TempDirectory directory_;
  std::vector<std::unique_ptr<prometheus::Registry>> registries_;
};

TEST_F(StorageServerTest, ASecondServerOnTheSameFolderIsRefused) {
  ASSERT_OK_AND_ASSIGN(auto first, Create());
  EXPECT_THAT(Create(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 absl::StrCat("in use by process ", getpid())));
  first.reset();
  EXPECT_OK(Create());
}

TEST_F(StorageServerTest, AChangedMigrationOfTheSystemIsRefused) {
  ASSERT_OK(Create());
  ExecuteIn(directory_.File("data/system.db"),
            "UPDATE _migrations SET checksum = 'x'");
  EXPECT_THAT(Create(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 "0001_databases.sql"));
}

TEST_F(StorageServerTest, ACleanStopEmptiesTheWriteAheadLog) {
  ASSERT_OK_AND_ASSIGN(auto server, Create());
  const std::string log = DatabaseFile() + "-wal";
  EXPECT_GT(std::filesystem::file_size(log), 0);
  server->Stop();
  EXPECT_TRUE(!std::filesystem::exists(log) ||
              std::filesystem::file_size(log) == 0);
}

TEST_F(StorageServerTest, IsReadyFromStartToStop) {
  ASSERT_OK_AND_ASSIGN(auto server, Create());
  EXPECT_FALSE(server->IsReady());
  ASSERT_OK(server->Start());
  EXPECT_TRUE(server->IsReady());
  server->Stop();
  EXPECT_FALSE(server->IsReady());
  server->Stop();
}

TEST_F(StorageServerTest, RefusesOptionsThatCannotBe) {
  StorageOptions options;
  options.synchronous = "off";
  EXPECT_THAT(options.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "synchronous"));
  options = {};
  options.threads = 0;
  EXPECT_THAT(options.Validate(),
              StatusIs(absl::StatusCode::kInvalidArgument, "storage-threads"));
}

TEST(StorageMetricsTest, CountWhatAnOperatorAsksFor) {
  testing::TestStorage storage;
  ASSERT_OK(storage.RegisterModel("test/two", "two-v1", 2));
  ASSERT_OK(storage.ApplySchema({R"(
collection: notes
fields: {title: {type: string}}
vectors: {text: {source: [title]}}
)"}));
  const auto value = [&](const std::string& name) {
    for (const prometheus::MetricFamily& family : storage.metrics().Collect()) {
      if (family.name != name) continue;
      const prometheus::ClientMetric& metric = family.metric[0];
      return metric.counter.value + metric.gauge.value;
    }
    return -1.0;
  };
  ASSERT_OK(storage.Upsert("notes", "a", R"({"title": "x"})"));
  EXPECT_EQ(value("engram_storage_records_written_total"), 1);
  EXPECT_EQ(value("engram_storage_outbox_pending"), 1);
  EXPECT_EQ(value("engram_storage_commits_total"), 2);
  EXPECT_GT(value("engram_storage_wal_bytes"), 0);
  ASSERT_OK_AND_ASSIGN(const auto leased, storage.Lease("two-v1"));
  ASSERT_OK(storage.Put(leased.entries(0), {{1, 0}}));
  EXPECT_EQ(value("engram_storage_vectors_stored_total"), 1);
  EXPECT_EQ(value("engram_storage_outbox_pending"), 0);
}

class DatabaseServiceTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::Database> Create(const std::string& name) {
    v1::DatabaseServiceCreateRequest request;
    request.set_database(name);
    grpc::ClientContext context;
    v1::DatabaseServiceCreateResponse response;
    const grpc::Status status =
        storage_.databases().Create(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.database();
  }

  absl::StatusOr<v1::Database> Get(const std::string& name) {
    v1::DatabaseServiceGetRequest request;
    request.set_database(name);
    grpc::ClientContext context;
    v1::DatabaseServiceGetResponse response;
    const grpc::Status status =
        storage_.databases().Get(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.database();
  }

  testing::TestStorage storage_;
};

TEST_F(DatabaseServiceTest, DefaultExistsFromTheStart) {
  ASSERT_OK_AND_ASSIGN(const v1::Database database, Get(""));
  EXPECT_EQ(database.name(), "default");
  EXPECT_GT(database.size_bytes(), 0);
  EXPECT_OK(Position::Parse(database.position()));
}

TEST_F(DatabaseServiceTest, DatabasesCannotSeeEachOther) {
  ASSERT_OK(Create("second"));
  ASSERT_OK(storage_.ApplySchema({kNotes}, "second"));
  EXPECT_THAT(storage_.Upsert("notes", "a", "{}"),
              StatusIs(absl::StatusCode::kNotFound));
  storage_.Restart();
  ASSERT_OK_AND_ASSIGN(const v1::Database first, Get("default"));
  ASSERT_OK_AND_ASSIGN(const v1::Database second, Get("second"));
  EXPECT_NE(first.position().substr(7), second.position().substr(6));
}

TEST_F(DatabaseServiceTest, RefusesNamesThatAreTakenOrBad) {
  ASSERT_OK(Create("second"));
  const absl::Status taken = Create("second").status();
  EXPECT_THAT(taken, StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(ReasonOf(taken), common::v1::ERROR_REASON_ALREADY_EXISTS);
  for (const std::string& name :
       {std::string(), std::string("Upper"), std::string("../x"),
        std::string("a/b"), std::string("1a"), std::string(64, 'a')}) {
    EXPECT_THAT(Create(name),
                StatusIs(absl::StatusCode::kInvalidArgument, "database"))
        << name;
  }
  EXPECT_THAT(Get("nowhere"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DatabaseServiceTest, ListsByNamePageByPage) {
  ASSERT_OK(Create("apple"));
  v1::DatabaseServiceListRequest request;
  request.set_page_size(1);
  std::vector<std::string> names;
  do {
    grpc::ClientContext context;
    v1::DatabaseServiceListResponse response;
    ASSERT_OK(FromGrpcStatus(
        storage_.databases().List(&context, request, &response)));
    ASSERT_EQ(response.databases_size(), 1);
    names.push_back(response.databases(0).name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ::testing::ElementsAre("apple", "default"));
}

TEST_F(DatabaseServiceTest, WatchTellsAllThenWhatMoves) {
  ASSERT_OK(Create("second"));
  grpc::ClientContext context;
  const auto reader = storage_.databases().WatchDatabases(&context, {});
  v1::WatchDatabasesResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.databases_size(), 2);
  ASSERT_OK_AND_ASSIGN(const auto applied,
                       storage_.ApplySchema({kNotes}, "second"));
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_EQ(response.databases_size(), 1);
  EXPECT_EQ(response.databases(0).name(), "second");
  EXPECT_EQ(response.databases(0).position(), applied.position());
  ASSERT_OK(Create("third"));
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.databases(0).name(), "third");
  storage_.server().Stop();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(DatabaseServiceTest, ADeletedDatabaseLeavesEveryStream) {
  ASSERT_OK(Create("second"));
  ASSERT_OK(storage_.ApplySchema({kNotes}, "second"));
  const auto remove = [&](const std::string& name, const std::string& confirm) {
    v1::DatabaseServiceDeleteRequest request;
    request.set_database(name);
    request.set_confirm(confirm);
    grpc::ClientContext context;
    v1::DatabaseServiceDeleteResponse response;
    return FromGrpcStatus(
        storage_.databases().Delete(&context, request, &response));
  };
  EXPECT_THAT(remove("second", "secnod"),
              StatusIs(absl::StatusCode::kInvalidArgument, "confirm"));
  EXPECT_THAT(remove("default", "default"),
              StatusIs(absl::StatusCode::kFailedPrecondition));

  grpc::ClientContext watch_context;
  const auto watch = storage_.databases().WatchDatabases(&watch_context, {});
  v1::WatchDatabasesResponse databases;
  ASSERT_TRUE(watch->Read(&databases));
  ASSERT_EQ(databases.databases_size(), 2);
  v1::WatchChangesRequest request;
  request.set_after_position(databases.databases(1).position());
  grpc::ClientContext follow_context;
  const auto follow = storage_.feed().WatchChanges(&follow_context, request);
  v1::WatchChangesResponse changes;
  ASSERT_TRUE(follow->Read(&changes));

  ASSERT_OK(remove("second", "second"));
  while (follow->Read(&changes)) {
  }
  EXPECT_FALSE(FromGrpcStatus(follow->Finish()).ok());
  ASSERT_TRUE(watch->Read(&databases));
  EXPECT_THAT(databases.deleted(), ::testing::ElementsAre("second"));
  EXPECT_THAT(Get("second"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(remove("second", "second"),
              StatusIs(absl::StatusCode::kNotFound));
  // The name is free.
  ASSERT_OK(Create("second"));
  ASSERT_TRUE(watch->Read(&databases));
  EXPECT_EQ(databases.databases(0).name(), "second");
  watch_context.TryCancel();
}

TEST_F(DatabaseServiceTest, CallsAfterAStopAreRefused) {
  ASSERT_OK(storage_.ApplySchema({kNotes}));
  storage_.server().Stop();
  EXPECT_THAT(storage_.Upsert("notes", "a", "{}"),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(storage_.Get("notes", "a"),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace engram::storage
