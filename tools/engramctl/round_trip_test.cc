// What is exported and imported again is what was there.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/column_io.h"
#include "services/storage/exporter.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_writer.h"
#include "services/storage/testing/database_fixture.h"
#include "tools/engramctl/importer.h"
#include "tools/engramctl/record_source.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Value;
using storage::ColumnValue;
using storage::testing::TestDatabase;
using storage::v1::ExportRequest;
using storage::v1::WriteItem;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;

// Every type, with every attribute that an import could stumble over.
constexpr char kParents[] = R"(
collection: parents
id: required
fields:
  title:    {type: string}
  children: {type: int}
  sum:      {type: double}
)";
constexpr char kThings[] = R"(
collection: things
fields:
  plain:    {type: string}
  prose:    {type: text, default: none}
  number:   {type: int, default: 7, index: true}
  shown:    {type: int, render: string}
  real:     {type: double, default: 0.5}
  flag:     {type: bool, default: true}
  at:       {type: timestamp, default: now, on_update: now}
  then:     {type: timestamp}
  json:     {type: json, default: {a: 1}}
  bytes:    {type: bytes}
  strings:  {type: strings, index: true, merge: append}
  parent:   {type: ref(parents), on_delete: cascade}
  fixed:    {type: string, immutable: true, merge: keep}
  needed:   {type: string, required: true}
  added:    {type: int, merge: add}
  twice:    {type: double, generated: 'real * 2'}
  name:     {type: string, extract: json.name}
full_text: [plain, prose]
soft_delete: true
rollups:
- {parent: parent, set: {children: count, sum: sum(real)}}
)";
constexpr char kNumbered[] = R"(
collection: numbered
id: sequence
fields:
  text: {type: string}
)";
const std::vector<std::string> kCollections = {"parents", "things", "numbered"};

class Values {
 public:
  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random_);
  }

  std::string Text() {
    static const std::vector<std::string> kHard = {"",
                                                   " ",
                                                   "a,b",
                                                   "\"",
                                                   "\"\"",
                                                   "'",
                                                   "a\nb",
                                                   "a\r\nb",
                                                   "\r",
                                                   "\n",
                                                   "\xEF\xBB\xBF"
                                                   "bom",
                                                   "null",
                                                   "NULL",
                                                   "\\N",
                                                   "\\",
                                                   "true",
                                                   "1e5",
                                                   "-0",
                                                   "[]",
                                                   "{}",
                                                   "  both  ",
                                                   "\t",
                                                   "=1+1",
                                                   "é漢\U0001F600",
                                                   "a;b--",
                                                   "\x01\x1f\x7f",
                                                   "\u2028",
                                                   "9223372036854775808"};
    if (Below(3) > 0) return kHard[Below(kHard.size())];
    std::string text;
    for (int i = Below(30); i > 0; --i) {
      text.push_back(static_cast<char>(1 + Below(127)));
    }
    return text;
  }

  double Real() {
    static const std::vector<double> kHard = {0.0,
                                              -0.0,
                                              1.0,
                                              0.1,
                                              5e-324,
                                              2.2250738585072014e-308,
                                              1e308,
                                              -1.7976931348623157e308,
                                              9007199254740993.0,
                                              123456789012345680000.0,
                                              1e22,
                                              1e21,
                                              -1e17,
                                              4611686018427387904.0,
                                              0.30000000000000004};
    if (Below(2) == 0) return kHard[Below(kHard.size())];
    while (true) {
      const uint64_t bits = random_();
      double number;
      std::memcpy(&number, &bits, sizeof(number));
      if (std::isfinite(number)) return number;
    }
  }

  std::string Int() {
    static const std::vector<std::string> kHard = {"0",
                                                   "-1",
                                                   "9223372036854775807",
                                                   "-9223372036854775808",
                                                   "9007199254740991",
                                                   "9007199254740992",
                                                   "9007199254740993",
                                                   "-9007199254740993"};
    if (Below(2) == 0) return kHard[Below(kHard.size())];
    return absl::StrCat(static_cast<int64_t>(random_()));
  }

  std::string Time() {
    static const std::vector<std::string> kHard = {
        "0001-01-01T00:00:00Z",        "9999-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00Z",        "1969-12-31T23:59:59.999999Z",
        "2024-02-29T12:00:00.000001Z", "2024-06-01T10:00:00.5+02:00"};
    return kHard[Below(kHard.size())];
  }

  Value Json(int depth) {
    Value value;
    switch (Below(depth > 3 ? 4 : 6)) {
      case 0:
        value.set_null_value(google::protobuf::NULL_VALUE);
        break;
      case 1:
        value.set_bool_value(Below(2) == 0);
        break;
      case 2:
        value.set_number_value(Real());
        break;
      case 3:
        value.set_string_value(Below(3) == 0 ? Int() : Text());
        break;
      case 4:
        value.mutable_list_value();
        for (int i = Below(4); i > 0; --i) {
          *value.mutable_list_value()->add_values() = Json(depth + 1);
        }
        break;
      default:
        value.mutable_struct_value();
        for (int i = Below(4); i > 0; --i) {
          (*value.mutable_struct_value()->mutable_fields())[Text()] =
              Json(depth + 1);
        }
    }
    return value;
  }

  std::string Bytes() {
    std::string bytes;
    for (int i = Below(20); i > 0; --i) bytes.push_back(Below(256));
    return bytes;
  }

 private:
  std::mt19937_64 random_{4711};
};

Value TextValue(const std::string& text) {
  Value value;
  value.set_string_value(text);
  return value;
}

Value Null() {
  Value value;
  value.set_null_value(google::protobuf::NULL_VALUE);
  return value;
}

class RoundTripTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(from_.Apply({kParents, kThings, kNumbered}));
    ASSERT_OK(to_.Apply({kParents, kThings, kNumbered}));
    Fill();
  }

  static absl::StatusOr<WriteResponse> Write(TestDatabase& database,
                                             const WriteRequest& request) {
    ASSIGN_OR_RETURN(storage::RecordBatch batch,
                     storage::DecodeBatch(
                         "default", database.database().catalog(), request));
    WriteResponse response;
    RETURN_IF_ERROR(database.Run([&](storage::WriteTransaction& transaction) {
      return storage::WriteRequest(transaction, database.database(), request,
                                   batch, &response);
    }));
    return response;
  }

  // Sets each of the fields at random: to a value, to none, or not at all.
  void SetFields(google::protobuf::Struct* fields) {
    Value real;
    real.set_number_value(values_.Real());
    // Their sum must be finite.
    if (std::abs(real.number_value()) > 1e300) real.set_number_value(1e300);
    Value flag;
    flag.set_bool_value(values_.Below(2) == 0);
    Value strings;
    strings.mutable_list_value();
    for (int i = values_.Below(4); i > 0; --i) {
      *strings.mutable_list_value()->add_values() = TextValue(values_.Text());
    }
    const std::map<std::string, Value> sent = {
        {"plain", TextValue(values_.Text())},
        {"prose", TextValue(values_.Text())},
        {"number", TextValue(values_.Int())},
        {"shown", TextValue(values_.Int())},
        {"real", real},
        {"flag", flag},
        {"at", TextValue(values_.Time())},
        {"then", TextValue(values_.Time())},
        {"json", values_.Json(0)},
        {"bytes", TextValue(absl::Base64Escape(values_.Bytes()))},
        {"strings", strings},
        {"parent", TextValue(absl::StrCat("p,", values_.Below(3)))},
        {"fixed", TextValue(values_.Text())},
        {"added", TextValue(values_.Int())}};
    for (const auto& [name, value] : sent) {
      const int choice = values_.Below(4);
      if (choice == 0) (*fields->mutable_fields())[name] = Null();
      if (choice > 1) (*fields->mutable_fields())[name] = value;
    }
    (*fields->mutable_fields())["needed"] = TextValue(values_.Text());
  }

  void Fill() {
    WriteRequest request;
    for (int i = 0; i < 3; ++i) {
      WriteItem& item = *request.add_items();
      item.set_collection("parents");
      item.mutable_create()->set_id(absl::StrCat("p,", i));
    }
    for (int i = 0; i < 400; ++i) {
      WriteItem& item = *request.add_items();
      item.set_collection("things");
      // Ids of all kinds, that CSV must quote among them.
      item.mutable_create()->set_id(absl::StrCat(i % 3 == 0   ? ""
                                                 : i % 3 == 1 ? "\"id\", "
                                                              : " é",
                                                 i));
      SetFields(item.mutable_create()->mutable_fields());
    }
    for (int i = 0; i < 20; ++i) {
      WriteItem& item = *request.add_items();
      item.set_collection("numbered");
      (*item.mutable_create()->mutable_fields()->mutable_fields())["text"] =
          TextValue(values_.Text());
    }
    ASSERT_OK(Write(from_, request));
  }

  static absl::StatusOr<std::string> Export(TestDatabase& database,
                                            const std::string& collection,
                                            ExportRequest::Format format) {
    ExportRequest request;
    request.set_collection(collection);
    request.set_format(format);
    ASSIGN_OR_RETURN(const auto exporter,
                     storage::Exporter::Create(database.database(), request));
    std::string file;
    while (true) {
      ASSIGN_OR_RETURN(const auto piece, exporter->Next({}));
      if (!piece.has_value()) return file;
      file += piece->data();
    }
  }

  static void Import(TestDatabase& database, const std::string& collection,
                     const std::string& file, RecordFormat format) {
    const schema::CollectionSpec spec =
        database.database().catalog().Find(collection)->spec;
    std::istringstream in(file);
    const auto source = OpenRecordSource(format, in, spec, "id");
    ASSERT_OK(source);
    // One batch after the other keeps the order of the file.
    Importer importer(
        {.collection = collection, .batch_records = 50, .in_flight = 1}, {},
        spec,
        [&](const WriteRequest& request) { return Write(database, request); },
        [](const std::vector<RejectedRecord>& rejects, const ImportResult&) {
          for (const RejectedRecord& rejected : rejects) {
            ADD_FAILURE() << rejected.line << ": " << rejected.reason << "\n"
                          << rejected.text;
          }
          return absl::OkStatus();
        });
    EXPECT_OK(importer.Run(**source, [](const ImportResult&) {}));
  }

  // Every column of every record that is not Engram's own.
  static std::map<std::string, std::vector<ColumnValue>> Content(
      TestDatabase& database, const std::string& collection) {
    std::string sql = "SELECT id";
    for (const auto& field :
         database.database().catalog().Find(collection)->spec.fields) {
      absl::StrAppend(&sql, ", \"", field.name, "\"");
    }
    auto reader = database.database().AcquireReader();
    auto select = (*reader)->Prepare(absl::StrCat(sql, " FROM ", collection));
    EXPECT_OK(select);
    std::map<std::string, std::vector<ColumnValue>> content;
    while (*select->Step()) {
      auto& values = content[std::string(select->Text(0))];
      for (int i = 1; i < select->column_count(); ++i) {
        values.push_back(storage::ReadColumn(*select, i));
      }
    }
    return content;
  }

  void TravelsAs(ExportRequest::Format format, RecordFormat read_as) {
    for (const std::string& collection : kCollections) {
      ASSERT_OK_AND_ASSIGN(const std::string file,
                           Export(from_, collection, format));
      Import(to_, collection, file, read_as);
    }
    for (const std::string& collection : kCollections) {
      const auto expected = Content(from_, collection);
      const auto actual = Content(to_, collection);
      EXPECT_EQ(actual.size(), expected.size());
      for (const auto& [id, values] : expected) {
        const auto found = actual.find(id);
        ASSERT_NE(found, actual.end()) << collection << " " << id;
        // A ref's roll-up of doubles depends on the order of additions.
        if (collection == "parents") {
          EXPECT_EQ(found->second[1], values[1]);
          continue;
        }
        EXPECT_EQ(found->second, values) << collection << " " << id;
      }
      // And once more the same file, byte by byte.
      EXPECT_EQ(*Export(to_, collection, format),
                *Export(from_, collection, format));
    }
  }

  Values values_;
  TestDatabase from_;
  TestDatabase to_;
};

TEST_F(RoundTripTest, AsJsonLines) {
  TravelsAs(ExportRequest::FORMAT_JSONL, RecordFormat::kJsonLines);
}

TEST_F(RoundTripTest, AsJson) {
  TravelsAs(ExportRequest::FORMAT_JSON, RecordFormat::kJson);
}

TEST_F(RoundTripTest, AsCsv) {
  TravelsAs(ExportRequest::FORMAT_CSV, RecordFormat::kCsv);
}

TEST_F(RoundTripTest, FilesOfNothingImportAsNothing) {
  for (const auto& [format, read_as] :
       {std::pair(ExportRequest::FORMAT_JSONL, RecordFormat::kJsonLines),
        std::pair(ExportRequest::FORMAT_JSON, RecordFormat::kJson),
        std::pair(ExportRequest::FORMAT_CSV, RecordFormat::kCsv)}) {
    ASSERT_OK_AND_ASSIGN(const std::string file, Export(to_, "things", format));
    Import(to_, "things", file, read_as);
    EXPECT_EQ(Content(to_, "things").size(), 0);
  }
}

}  // namespace
}  // namespace engram::engramctl
