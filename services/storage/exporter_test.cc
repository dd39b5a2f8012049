#include "services/storage/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/json/json.h"
#include "libs/position/position.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/column_io.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::StructOf;
using testing::TestDatabase;
using ::testing::UnorderedElementsAre;
using testing::ViolationsOf;

using Request = v1::ExportRequest;

constexpr char kThings[] = R"(
collection: things
fields:
  s:  {type: string}
  n:  {type: int, default: 7, index: true}
  d:  {type: double}
  b:  {type: bool}
  at: {type: timestamp}
  j:  {type: json}
  x:  {type: bytes}
  l:  {type: strings}
  twice: {type: int, generated: 'n * 2'}
  name:  {type: string, extract: j.name}
)";
constexpr char kPassing[] = R"(
collection: passing
fields:
  until: {type: timestamp}
expire: {field: until}
soft_delete: true
)";
constexpr char kFolders[] = R"(
collection: folders
fields:
  title: {type: string}
  files: {type: int}
)";
constexpr char kFiles[] = R"(
collection: files
fields:
  folder: {type: ref(folders)}
rollups:
- {parent: folder, set: {files: count}}
)";

// What an export came to.
struct File {
  std::string text;
  int64_t records = 0;
  std::string position;
  std::vector<size_t> pieces;
};

class ExporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(database_.Apply({kThings, kPassing, kFolders, kFiles}));
  }

  static Request Of(Request::Format format = Request::FORMAT_JSONL,
                    const std::string& collection = "things") {
    Request request;
    request.set_collection(collection);
    request.set_format(format);
    return request;
  }

  absl::StatusOr<File> Export(const Request& request) {
    ASSIGN_OR_RETURN(const auto exporter,
                     Exporter::Create(database_.database(), request));
    File file;
    while (true) {
      ASSIGN_OR_RETURN(const auto piece, exporter->Next({}));
      if (!piece.has_value()) return file;
      file.text += piece->data();
      EXPECT_GE(piece->records(), file.records);
      file.records = piece->records();
      file.position = piece->position();
      file.pieces.push_back(piece->data().size());
    }
  }

  std::string Text(const Request& request) {
    const absl::StatusOr<File> file = Export(request);
    EXPECT_OK(file);
    return file.ok() ? file->text : "";
  }

  // Creates a record of `things`.
  void Create(const std::string& id, const std::string& fields) {
    ASSERT_OK(database_.WriteOne(
        absl::StrCat(R"({"collection": "things", "create": {"id": ")", id,
                     R"(", "fields": )", fields, "}}")));
  }

  TestDatabase database_;
};

constexpr char kOne[] = R"({"s": "a \"b\", é\n", "n": "9007199254740993",
    "d": -1e-300, "b": true, "at": "9999-01-02T03:04:05.000006Z",
    "j": {"name": "N", "big": 1e20, "list": [null, ""]}, "x": "AP8=",
    "l": ["", "a,b"]})";

TEST_F(ExporterTest, JsonLines) {
  Create("one", kOne);
  Create("two", R"({"n": null})");
  Create("three", "{}");
  EXPECT_EQ(
      Text(Of()),
      R"({"id":"one","s":"a \"b\", é\n","n":"9007199254740993","d":-1e-300,)"
      R"("b":true,"at":"9999-01-02T03:04:05.000006Z","j":{"big":1e+20,)"
      R"("list":[null,""],"name":"N"},"x":"AP8=","l":["","a,b"]})"
      "\n"
      // No value is told from one that is left out where a default would take
      // its place.
      R"({"id":"two","n":null})"
      "\n"
      R"({"id":"three","n":7})"
      "\n");
}

TEST_F(ExporterTest, Json) {
  Create("two", R"({"n": null})");
  Create("three", "{}");
  EXPECT_EQ(Text(Of(Request::FORMAT_JSON)),
            "[\n{\"id\":\"two\",\"n\":null},\n{\"id\":\"three\",\"n\":7}\n]\n");
}

TEST_F(ExporterTest, Csv) {
  Create("one", kOne);
  Create("two", R"({"n": null, "s": "", "x": "", "l": []})");
  Create("\\\\N", R"({"s": "\\N", "j": " lead"})");
  EXPECT_EQ(Text(Of(Request::FORMAT_CSV)),
            "id,s,n,d,b,at,j,x,l\r\n"
            "one,\"a \"\"b\"\", é\n\",9007199254740993,-1e-300,true,"
            "9999-01-02T03:04:05.000006Z,"
            "\"{\"\"big\"\":1e+20,\"\"list\"\":[null,\"\"\"\"],\"\"name\"\":"
            "\"\"N\"\"}\",AP8=,\"[\"\"\"\",\"\"a,b\"\"]\"\r\n"
            "two,\"\",\\N,,,,,\"\",[]\r\n"
            "\"\\N\",\"\\N\",7,,,,\"\"\" lead\"\"\",,\r\n");
}

TEST_F(ExporterTest, Sql) {
  Create("o'ne", kOne);
  EXPECT_EQ(Text(Of(Request::FORMAT_SQL)),
            "BEGIN;\n"
            "CREATE TABLE IF NOT EXISTS \"things\" (\n"
            "  id TEXT PRIMARY KEY NOT NULL,\n"
            "  \"s\" TEXT,\n"
            "  \"n\" INTEGER,\n"
            "  \"d\" REAL,\n"
            "  \"b\" INTEGER,\n"
            "  \"at\" INTEGER,\n"
            "  \"j\" TEXT,\n"
            "  \"x\" BLOB,\n"
            "  \"l\" TEXT,\n"
            "  \"twice\" INTEGER,\n"
            "  \"name\" TEXT\n"
            ");\n"
            "INSERT OR REPLACE INTO \"things\" (id, \"s\", \"n\", \"d\", "
            "\"b\", \"at\", \"j\", \"x\", \"l\", \"twice\", \"name\") VALUES "
            "('o''ne', 'a \"b\", é\n', 9007199254740993, "
            "-1.3407807929942597e-146 * 7.458340731200206743e-155, 1, "
            "253370862245000006, "
            "'{\"big\":1e+20,\"list\":[null,\"\"],\"name\":\"N\"}', x'00ff', "
            "'[\"\",\"a,b\"]', 18014398509481986, 'N');\n"
            "COMMIT;\n");
}

TEST_F(ExporterTest, AnEmptyCollectionIsAFileToo) {
  EXPECT_EQ(Text(Of()), "");
  EXPECT_EQ(Text(Of(Request::FORMAT_UNSPECIFIED)), "");
  EXPECT_EQ(Text(Of(Request::FORMAT_JSON)), "[]\n");
  EXPECT_EQ(Text(Of(Request::FORMAT_CSV)), "id,s,n,d,b,at,j,x,l\r\n");
  EXPECT_THAT(Text(Of(Request::FORMAT_SQL)),
              AllOf(::testing::StartsWith("BEGIN;\nCREATE TABLE"),
                    ::testing::EndsWith("\n);\nCOMMIT;\n")));
  // The position is told in any case.
  EXPECT_EQ(Export(Of())->position,
            database_.database().NewestPosition().ToString());
  EXPECT_THAT(Export(Of())->pieces, ElementsAre(0));
}

TEST_F(ExporterTest, AMaskChoosesFieldsAndNamesWhatIsComputed) {
  Create("one", R"({"n": 3, "j": {"name": "N"}})");
  Request request = Of();
  request.mutable_read_mask()->add_paths("name");
  request.mutable_read_mask()->add_paths("twice");
  EXPECT_EQ(Text(request), "{\"id\":\"one\",\"twice\":6,\"name\":\"N\"}\n");
  *request.mutable_read_mask() = {};
  request.mutable_read_mask()->add_paths("id");
  EXPECT_EQ(Text(request), "{\"id\":\"one\"}\n");
  request.mutable_read_mask()->add_paths("nope");
  EXPECT_THAT(ViolationsOf(Export(request).status()),
              ElementsAre(Pair("read_mask.paths[1]", HasSubstr("nope"))));
}

TEST_F(ExporterTest, WhatARollUpKeepsIsLeftOutOfWhatIsImported) {
  ASSERT_OK(database_.Write(R"([
      {"collection": "folders", "create": {"id": "f", "fields": {}}},
      {"collection": "files", "create": {"id": "a", "fields":
          {"folder": "f"}}}])"));
  EXPECT_EQ(Text(Of(Request::FORMAT_JSONL, "folders")), "{\"id\":\"f\"}\n");
  EXPECT_EQ(Text(Of(Request::FORMAT_CSV, "folders")), "id,title\r\nf,\r\n");
  EXPECT_THAT(Text(Of(Request::FORMAT_SQL, "folders")),
              HasSubstr("VALUES ('f', NULL, 1);"));
}

TEST_F(ExporterTest, AFilterChoosesRecords) {
  for (int i = 0; i < 5; ++i) {
    Create(absl::StrCat("r", i), absl::StrCat("{\"n\": ", i, "}"));
  }
  Request request = Of();
  request.mutable_read_mask()->add_paths("n");
  request.set_filter("n >= :least AND n != 3");
  *request.mutable_parameters() = StructOf(R"({"least": 2})");
  const absl::StatusOr<File> file = Export(request);
  ASSERT_OK(file);
  EXPECT_EQ(file->text, "{\"id\":\"r2\",\"n\":2}\n{\"id\":\"r4\",\"n\":4}\n");
  EXPECT_EQ(file->records, 2);
  *request.mutable_parameters() = StructOf(R"({"most": 2})");
  EXPECT_THAT(ViolationsOf(Export(request).status()),
              UnorderedElementsAre(Pair("filter", HasSubstr("least")),
                                   Pair("parameters.most", HasSubstr("used"))));
}

TEST_F(ExporterTest, WhatNobodySeesIsNotInIt) {
  ASSERT_OK(database_.Write(R"([
      {"collection": "passing", "create": {"id": "kept"}},
      {"collection": "passing", "create": {"id": "deleted"}},
      {"collection": "passing", "delete": {"id": "deleted"}},
      {"collection": "passing", "create": {"id": "expires", "fields":
          {"until": "2100-01-01T00:00:00Z"}}}])"));
  const Request request = Of(Request::FORMAT_JSONL, "passing");
  EXPECT_EQ(Export(request)->records, 2);
  database_.clock().Advance(absl::Hours(24 * 366 * 200));
  EXPECT_EQ(Text(request), "{\"id\":\"kept\"}\n");
}

TEST_F(ExporterTest, SinceGivesWhatChangedAfterAnExport) {
  Create("a", "{}");
  Create("b", "{}");
  const std::string before = Export(Of())->position;
  Request request = Of(Request::FORMAT_CSV);
  request.mutable_read_mask()->add_paths("n");
  request.set_since(before);
  EXPECT_EQ(Text(request), "id,n\r\n");
  Create("c", "{}");
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "things", "update": {"id": "a", "fields": {"n": 8}}})"));
  EXPECT_EQ(Text(request), "id,n\r\na,8\r\nc,7\r\n");
  // Together with a filter.
  request.set_filter("n = 7");
  const absl::StatusOr<File> newest = Export(request);
  EXPECT_EQ(newest->text, "id,n\r\nc,7\r\n");
  request.set_since(newest->position);
  EXPECT_EQ(Text(request), "id,n\r\n");
}

TEST_F(ExporterTest, ASinceThatTheLogDoesNotHaveIsRefused) {
  Create("a", "{}");
  Position since = database_.database().NewestPosition();
  Request request = Of();
  ++since.sequence;
  request.set_since(since.ToString());
  EXPECT_THAT(Export(request), StatusIs(absl::StatusCode::kOutOfRange));
  --since.sequence;
  ++since.epoch;
  request.set_since(since.ToString());
  const absl::Status status = Export(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kOutOfRange,
                               "export everything again"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EPOCH_CHANGED);
  since = database_.database().NewestPosition();
  since.database = "other";
  request.set_since(since.ToString());
  EXPECT_THAT(ViolationsOf(Export(request).status()),
              ElementsAre(Pair("since", HasSubstr("of database \"other\""))));
  request.set_since("yesterday");
  EXPECT_THAT(ViolationsOf(Export(request).status()),
              ElementsAre(Pair("since", HasSubstr("position"))));
}

TEST_F(ExporterTest, AnUnknownCollectionOrFormatIsRefused) {
  EXPECT_THAT(Export(Of(Request::FORMAT_CSV, "nope")),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(
      ViolationsOf(Export(Of(static_cast<Request::Format>(9))).status()),
      ElementsAre(Pair("format", HasSubstr("FORMAT_JSONL"))));
}

TEST_F(ExporterTest, PiecesAreBoundedWhateverTheRecords) {
  std::string items = "[";
  for (int i = 0; i < 300; ++i) {
    absl::StrAppend(&items, i == 0 ? "" : ",",
                    R"({"collection": "things", "create": {"id": "r)", i,
                    R"(", "fields": {"s": ")", std::string(4000, 'x'), "\"}}}");
  }
  ASSERT_OK(database_.Write(items + "]"));
  Create("large", absl::StrCat("{\"s\": \"", std::string(1 << 20, 'y'), "\"}"));
  Create("last", "{}");
  const absl::StatusOr<File> file = Export(Of());
  ASSERT_OK(file);
  EXPECT_EQ(file->records, 302);
  EXPECT_GE(file->pieces.size(), 9);
  EXPECT_THAT(file->pieces, Each(::testing::Le(Exporter::kPieceBytes)));
  const std::vector<std::string> lines = absl::StrSplit(file->text, '\n');
  ASSERT_EQ(lines.size(), 303);
  EXPECT_GT(lines[300].size(), 1 << 20);
  EXPECT_EQ(lines[301], "{\"id\":\"last\",\"n\":7}");
}

TEST_F(ExporterTest, GapsBetweenRowsAreSkippedAndFewMatchesCostShortTurns) {
  // As if millions had been deleted: rows far apart.
  Create("a", "{}");
  ASSERT_OK(database_.Run([](WriteTransaction& transaction) {
    return transaction.connection().Execute(
        "UPDATE sqlite_sequence SET seq = 900000000000 WHERE name = 'things'");
  }));
  Create("b", "{}");
  EXPECT_EQ(Export(Of())->records, 2);
}

TEST_F(ExporterTest, WhatIsCreatedMeanwhileIsLeftToTheNextExport) {
  for (int i = 0; i < 100; ++i) {
    Create(absl::StrCat("old-", i),
           absl::StrCat("{\"s\": \"", std::string(5000, 'x'), "\"}"));
  }
  auto exporter = Exporter::Create(database_.database(), Of());
  ASSERT_OK(exporter);
  std::string text;
  std::string position;
  for (int i = 0;; ++i) {
    const auto piece = (*exporter)->Next({});
    ASSERT_OK(piece);
    if (!piece->has_value()) break;
    text += (*piece)->data();
    position = (*piece)->position();
    Create(absl::StrCat("new-", i), "{}");
  }
  EXPECT_THAT(text, ::testing::Not(HasSubstr("new-")));
  Request request = Of();
  request.set_since(position);
  EXPECT_THAT(Text(request), HasSubstr("new-0"));
}

TEST_F(ExporterTest, ASchemaThatIsAppliedMeanwhileEndsIt) {
  for (int i = 0; i < 100; ++i) {
    Create(absl::StrCat("r", i),
           absl::StrCat("{\"s\": \"", std::string(5000, 'x'), "\"}"));
  }
  auto exporter = Exporter::Create(database_.database(), Of());
  ASSERT_OK(exporter);
  ASSERT_OK((*exporter)->Next({}));
  ASSERT_OK(database_.Apply({"collection: others\nfields: {a: {type: int}}"}));
  absl::Status status;
  while (status.ok()) status = (*exporter)->Next({}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_SCHEMA_CHANGED);
}

TEST_F(ExporterTest, ACallThatIsCancelledEnds) {
  Create("a", "{}");
  auto exporter = Exporter::Create(database_.database(), Of());
  ASSERT_OK(exporter);
  EXPECT_THAT((*exporter)->Next({.is_cancelled = [] { return true; }}),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ExporterTest, NoTransactionStaysOpenBetweenPieces) {
  for (int i = 0; i < 100; ++i) {
    Create(absl::StrCat("r", i),
           absl::StrCat("{\"s\": \"", std::string(5000, 'x'), "\"}"));
  }
  auto exporter = Exporter::Create(database_.database(), Of());
  ASSERT_OK(exporter);
  ASSERT_OK((*exporter)->Next({}));
  // A reader of an older state would keep the log from being emptied.
  EXPECT_OK(database_.Run([](WriteTransaction& transaction) {
    return transaction.connection().Execute("SELECT 1");
  }));
  std::string path;
  {
    const auto reader = database_.database().AcquireReader();
    ASSERT_OK(reader);
    path = (*reader)->path();
  }
  // Ends those that nobody uses.
  database_.database().RenewReaders();
  const auto writer =
      sqlite::Connection::Open(path, sqlite::Access::kReadWrite);
  ASSERT_OK(writer);
  EXPECT_OK((*writer)->CheckpointTruncate());
}

// Every value comes back bit by bit from the SQL that was written of it.
TEST_F(ExporterTest, SqlMakesTheSameTable) {
  std::mt19937_64 random(4711);
  std::string items = "[";
  const auto add = [&](const std::string& fields) {
    absl::StrAppend(&items, items.size() == 1 ? "" : ",",
                    R"({"collection": "things", "create": {"fields": {)",
                    fields, "}}}");
  };
  for (
      const char* fields :
      {R"("n": "-9223372036854775808", "d": 5e-324)",
       R"("n": "9223372036854775807", "d": 1.7976931348623157e308)",
       R"("s": "it's\r\n\"quoted\"; --", "x": "", "d": -2.2250738585072014e-308)",
       R"("s": "\ufeff é 漢 \ud83d\ude00 \u0001", "d": 1)",
       R"("s": "", "at": "0001-01-01T00:00:00Z", "l": [])"}) {
    add(fields);
  }
  for (int i = 0; i < 3000; ++i) {
    const uint64_t bits = random();
    double number;
    std::memcpy(&number, &bits, sizeof(number));
    if (!std::isfinite(number)) continue;
    std::string json;
    google::protobuf::Value value;
    value.set_number_value(number);
    json::AppendJson(value, &json);
    add(absl::StrCat("\"d\": ", json));
  }
  ASSERT_OK(database_.Write(items + "]"));
  const std::string sql = Text(Of(Request::FORMAT_SQL));
  engram::testing::TempDirectory directory;
  const auto copy = *sqlite::Connection::Open(directory.File("copy.db"),
                                              sqlite::Access::kReadWrite);
  // Twice, which changes nothing.
  ASSERT_OK(copy->Execute(sql));
  ASSERT_OK(copy->Execute(sql));
  constexpr absl::string_view kSelect =
      "SELECT id, s, n, d, b, at, j, x, l, twice, name FROM things ORDER BY id";
  const auto reader = database_.database().AcquireReader();
  auto expected = *(*reader)->Prepare(kSelect);
  auto actual = *copy->Prepare(kSelect);
  int rows = 0;
  while (*expected.Step()) {
    ASSERT_TRUE(*actual.Step());
    ++rows;
    for (int i = 0; i < expected.column_count(); ++i) {
      EXPECT_EQ(ReadColumn(actual, i), ReadColumn(expected, i))
          << expected.Text(0) << " column " << i;
    }
  }
  EXPECT_FALSE(*actual.Step());
  EXPECT_GT(rows, 2900);
}

}  // namespace
}  // namespace engram::storage
