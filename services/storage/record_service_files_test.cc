// RecordService's Export and Query over gRPC.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::HasSubstr;
using testing::TestStorage;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
)";
constexpr char kEndless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n";

class RecordServiceFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(storage_.ApplySchema({kNotes}));
    // More than gRPC holds for a client that does not read.
    v1::WriteRequest request;
    for (int i = 0; i < kRecords; ++i) {
      v1::WriteItem& item = *request.add_items();
      item.set_collection("notes");
      item.mutable_create()->set_id(absl::StrCat("n", i));
      (*item.mutable_create()->mutable_fields()->mutable_fields())["title"]
          .set_string_value(std::string(10'000, 'x'));
      if (request.items_size() < 200) continue;
      ASSERT_OK(storage_.Write(request));
      request.Clear();
    }
  }

  static v1::ExportRequest OfNotes() {
    v1::ExportRequest request;
    request.set_collection("notes");
    return request;
  }

  absl::Status Query(const std::string& sql, absl::Duration timeout,
                     v1::QueryResponse* response = nullptr) {
    v1::QueryRequest request;
    request.set_sql(sql);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    v1::QueryResponse unused;
    return FromGrpcStatus(storage_.records().Query(
        &context, request, response == nullptr ? &unused : response));
  }

  static constexpr int kRecords = 2000;
  TestStorage storage_;
};

TEST_F(RecordServiceFilesTest, ExportsPieceByPiece) {
  grpc::ClientContext context;
  const auto reader = storage_.records().Export(&context, OfNotes());
  v1::ExportResponse piece;
  int64_t lines = 0;
  int pieces = 0;
  while (reader->Read(&piece)) {
    ++pieces;
    EXPECT_LE(piece.data().size(), 256 << 10);
    lines += std::count(piece.data().begin(), piece.data().end(), '\n');
  }
  EXPECT_OK(FromGrpcStatus(reader->Finish()));
  EXPECT_EQ(lines, kRecords);
  EXPECT_EQ(piece.records(), kRecords);
  EXPECT_GT(pieces, 70);
}

TEST_F(RecordServiceFilesTest, AnExportThatCannotBeginSaysWhy) {
  v1::ExportRequest request = OfNotes();
  request.set_collection("nope");
  grpc::ClientContext context;
  v1::ExportResponse piece;
  auto reader = storage_.records().Export(&context, request);
  EXPECT_FALSE(reader->Read(&piece));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(absl::StatusCode::kNotFound));
  request.set_database("nope");
  grpc::ClientContext other;
  reader = storage_.records().Export(&other, request);
  EXPECT_FALSE(reader->Read(&piece));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(absl::StatusCode::kNotFound));
}

// A client that does not read holds neither the log nor the writer, and ends
// its export when it goes.
TEST_F(RecordServiceFilesTest, AnExportThatNobodyReadsHoldsNothing) {
  grpc::ClientContext context;
  const auto reader = storage_.records().Export(&context, OfNotes());
  v1::ExportResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  EXPECT_OK(storage_.Upsert("notes", "late", R"({"title": "y"})"));
  EXPECT_OK(storage_.Get("notes", "late"));
  context.TryCancel();
  while (reader->Read(&piece)) {
  }
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RecordServiceFilesTest, AnExportEndsWithItsServer) {
  grpc::ClientContext context;
  const auto reader = storage_.records().Export(&context, OfNotes());
  v1::ExportResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  std::thread reading([&] {
    while (reader->Read(&piece)) {
    }
  });
  storage_.Restart();
  reading.join();
  // Finished before, or ended by the shutdown.
  const absl::Status status = FromGrpcStatus(reader->Finish());
  EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) ||
              absl::IsCancelled(status))
      << status;
}

TEST_F(RecordServiceFilesTest, QueriesAnswerRowsAndErrors) {
  v1::QueryResponse response;
  ASSERT_OK(
      Query("SELECT count(*) AS n FROM notes", absl::Seconds(30), &response));
  ASSERT_EQ(response.rows_size(), 1);
  EXPECT_EQ(response.columns(0), "n");
  EXPECT_EQ(response.rows(0).values(0).number_value(), kRecords);
  EXPECT_THAT(Query("DELETE FROM notes", absl::Seconds(30)),
              StatusIs(absl::StatusCode::kInvalidArgument, "not allowed"));
  // The largest answer still fits a message.
  ASSERT_OK(Query("SELECT title FROM notes", absl::Seconds(30), &response));
  EXPECT_TRUE(response.truncated());
  EXPECT_GT(response.rows_size(), 400);
}

TEST_F(RecordServiceFilesTest, AQueryEndsWithItsDeadline) {
  EXPECT_THAT(Query(kEndless, absl::Milliseconds(50)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(RecordServiceFilesTest, FewQueriesRunAtOnceAndOneThatEndsMakesRoom) {
  std::atomic<int> refused = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      const absl::Status status = Query(kEndless, absl::Seconds(3));
      if (absl::IsDeadlineExceeded(status)) return;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                   "other SQL queries are running"));
      ++refused;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GE(refused, 1);
  absl::Status status;
  do {
    // The server may learn of an end a moment after its client.
    status = Query("SELECT 1", absl::Seconds(30));
  } while (absl::IsResourceExhausted(status));
  EXPECT_OK(status);
}

TEST_F(RecordServiceFilesTest, ClientsThatAskAgainAtOnceAreNotRefused) {
  std::vector<std::thread> clients;
  for (int client = 0; client < 2; ++client) {  // As many as may at once.
    clients.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        ASSERT_OK(Query("SELECT 1", absl::Seconds(30)));
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace engram::storage
