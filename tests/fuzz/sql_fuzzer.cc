// Runs arbitrary bytes as a person's SQL against a small database; what begins
// with a brace on a line of its own is the JSON object of the parameters. The
// database must be left as it was, byte by byte; the answer must fit a message
// and be one that protobuf reads; an error must be one of those that the API
// names.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/json/json.h"
#include "libs/sqlite/temp_space.h"
#include "services/storage/sql_query.h"
#include "services/storage/sql_values.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

// Some 20 ms of SQLite's work.
constexpr int kMaxQuestions = 50;
constexpr int64_t kTempBytes = 16 << 20;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
  stars: {type: int, index: true}
  share: {type: double}
  twice: {type: int, generated: 'stars * 2'}
  tags:  {type: strings, index: true}
  meta:  {type: json}
  data:  {type: bytes}
full_text: [title]
soft_delete: true
history: true
)";

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "broken: %s\n", what.c_str());
  std::abort();
}

void Require(bool holds, const std::string& what) {
  if (!holds) Fail(what);
}

std::string ReadFile(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

// The database of all runs, which none of them may change.
class Target {
 public:
  Target() {
    const absl::Status applied = database_.Apply({kNotes});
    Require(applied.ok(), applied.ToString());
    const auto written = database_.Write(R"([
        {"collection": "notes", "create": {"id": "a", "fields":
            {"title": "red apples", "stars": 5, "tags": ["x", "y"],
             "meta": {"k": [1, 2]}, "data": "AP8="}}},
        {"collection": "notes", "create": {"id": "b", "fields":
            {"title": "a boat", "stars": -1, "share": 0.5}}},
        {"collection": "notes", "create": {"id": "c"}},
        {"collection": "notes", "delete": {"id": "c"}}])");
    Require(written.ok(), written.status().ToString());
    path_ = (*database_.database().AcquireReader())->path();
    before_ = Content();
    limits_.sqlite = {.sql_bytes = 16 << 10,
                      .value_bytes = 64 << 10,
                      .memory_bytes = 32 << 20};
    sqlite::LimitTempSpace(kTempBytes);
  }

  void Run(const storage::v1::QueryRequest& request) {
    int asked = 0;
    const storage::CallBounds bounds = {
        .is_cancelled = [&asked] { return ++asked > kMaxQuestions; }};
    storage::v1::QueryResponse response;
    const absl::Status status = storage::RunSqlQuery(
        database_.database(), request, bounds, limits_, &response);
    CheckStatus(status);
    if (status.ok()) CheckResponse(response, request.max_rows());
    Require(sqlite::UsedTempSpace() == 0, "temporary files are left");
    Require(Content() == before_, "the file was changed");
  }

 private:
  std::string Content() {
    return absl::StrCat(ReadFile(path_), "|", ReadFile(path_ + "-wal"));
  }

  static void CheckStatus(const absl::Status& status) {
    switch (status.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kResourceExhausted:
      case absl::StatusCode::kCancelled:
        return;
      case absl::StatusCode::kInvalidArgument:
        // Details that cannot be read would lose the field at fault.
        Require(!storage::testing::ViolationsOf(status).empty(),
                absl::StrCat("no violation: ", status.ToString()));
        return;
      default:
        Fail(absl::StrCat("unexpected error: ", status.ToString()));
    }
  }

  static void CheckResponse(const storage::v1::QueryResponse& response,
                            int max_rows) {
    Require(response.rows_size() <= max_rows, "too many rows");
    Require(response.ByteSizeLong() <= 4 << 20, "the answer is too large");
    for (const auto& row : response.rows()) {
      Require(row.values_size() == response.columns_size(),
              "a row of other columns");
    }
    storage::v1::QueryResponse read;
    Require(read.ParseFromString(response.SerializeAsString()),
            "the answer cannot be read");
  }

  storage::testing::TestDatabase database_;
  storage::SqlQueryLimits limits_;
  std::string path_;
  std::string before_;
};

}  // namespace

int FuzzSql(const uint8_t* data, size_t size) {
  static auto* const target = new Target();
  // gRPC lets no other text through.
  const std::string text = storage::MakeUtf8(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  storage::v1::QueryRequest request;
  request.set_max_rows(100);
  const size_t parameters = text.find("\n{");
  request.set_sql(text.substr(0, parameters));
  if (parameters != std::string::npos) {
    json::Parser parser;
    if (!parser
             .ParseObject(absl::string_view(text).substr(parameters + 1),
                          request.mutable_parameters())
             .ok()) {
      request.clear_parameters();
    }
  }
  target->Run(request);
  return 0;
}

}  // namespace engram::fuzz
