// Random requests for figures over random records: the answer must be what a
// plain evaluation in memory gives. ENGRAM_TEST_SEED tries others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "libs/filter/evaluate.h"
#include "libs/filter/filter.h"
#include "libs/json/json.h"
#include "libs/schema/record_scope.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/aggregate.h"
#include "services/storage/stored_record.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using filter::Type;
using schema::FieldType;
using schema::FieldValue;
using testing::TestDatabase;
using v1::Aggregation;

constexpr int kRecords = 200;
constexpr int kRequests = 500;

constexpr char kEvents[] = R"(
collection: events
fields:
  kind:    {type: string, index: true}
  place:   {type: string, collate: nocase}
  count:   {type: int}
  weight:  {type: double}
  ready:   {type: bool}
  tags:    {type: strings}
  at:      {type: timestamp}
  until:   {type: timestamp}
  meta:    {type: json}
  gone_at: {type: timestamp}
indexes: [[kind, count], [at]]
expire: {field: gone_at}
soft_delete: true
)";

uint32_t Seed() {
  uint32_t seed = 20270115;
  const char* const given = std::getenv("ENGRAM_TEST_SEED");
  if (given != nullptr && !absl::SimpleAtoi(given, &seed)) std::abort();
  return seed;
}

class Chance {
 public:
  explicit Chance(uint32_t seed) : random_(seed) {}

  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random_);
  }
  std::string Pick(const std::vector<std::string>& from) {
    return from[Below(static_cast<int>(from.size()))];
  }

 private:
  std::mt19937 random_;
};

// The fields of one record as JSON. Doubles are multiples of 1/4, so that sums
// do not depend on the order.
std::string RandomFields(Chance& chance) {
  std::vector<std::string> fields;
  const auto maybe = [&](absl::string_view name, const std::string& value) {
    if (chance.Below(4) > 0) {
      fields.push_back(absl::StrCat("\"", name, "\": ", value));
    }
  };
  const auto time = [&] {
    return absl::StrCat(
        "\"", 1960 + chance.Below(60), "-",
        chance.Pick({"01", "02", "03", "06", "12"}), "-",
        chance.Pick({"01", "15", "28"}), "T",
        chance.Pick({"00:00:00", "12:30:00.25", "23:59:59.999999"}), "Z\"");
  };
  maybe("kind", chance.Pick({R"("a")", R"("b")", R"("ä")", R"("")"}));
  maybe("place", chance.Pick({R"("Rome")", R"("rome")", R"("ROME")",
                              R"("Bonn")", R"("bonn")"}));
  maybe("count", absl::StrCat(chance.Below(20) - 10));
  maybe("weight", absl::StrCat((chance.Below(40) - 8) / 4.0));
  maybe("ready", chance.Pick({"true", "false"}));
  maybe("tags", chance.Pick({"[]", R"(["x"])", R"(["x", "y"])",
                             R"(["y", "z", "y"])", R"(["a\"b", "ü"])"}));
  maybe("at", time());
  maybe("until", time());
  maybe("meta", chance.Pick({R"({"n": 1.5})", R"({"n": 2, "s": "t"})",
                             R"({"n": "none"})", R"({"n": null})", "[1]"}));
  if (chance.Below(8) == 0) {
    fields.push_back(R"("gone_at": "2027-01-15T08:00:05Z")");
  }
  return absl::StrCat("{", absl::StrJoin(fields, ", "), "}");
}

void AddRandomKey(Chance& chance, const std::string& name,
                  v1::AggregateRequest& request) {
  v1::GroupKey& key = *request.add_group_by();
  key.set_name(name);
  key.set_field(chance.Pick(
      {"kind", "place", "ready", "tags", "at", "at", "until", "count", "weight",
       "coalesce(kind, \"none\")", "count > 2", "until - at", "meta.n",
       "_version", "coalesce(place, kind)"}));
  if (key.field() == "at" || key.field() == "until") {
    key.set_bucket(static_cast<v1::TimeBucket>(chance.Below(8)));
  }
}

std::string RandomExpression(Chance& chance, Aggregation::Function function) {
  switch (function) {
    case Aggregation::FUNCTION_COUNT:
      return chance.Pick({"", "kind", "count", "tags", "meta.n", "until - at"});
    case Aggregation::FUNCTION_COUNT_DISTINCT:
      return chance.Pick(
          {"kind", "place", "count", "weight", "at", "meta.n", "ready"});
    case Aggregation::FUNCTION_SUM:
    case Aggregation::FUNCTION_AVG:
      return chance.Pick({"count", "weight", "count * 2 + 1", "ready",
                          "count > 2", "until - at", "meta.n",
                          "weight * count"});
    default:
      return chance.Pick({"kind", "place", "count", "weight", "at",
                          "until - at", "meta.n", "coalesce(place, kind)"});
  }
}

void AddRandomFigure(Chance& chance, const std::string& name,
                     v1::AggregateRequest& request) {
  Aggregation& figure = *request.add_aggregations();
  figure.set_name(name);
  figure.set_function(static_cast<Aggregation::Function>(1 + chance.Below(6)));
  figure.set_expression(RandomExpression(chance, figure.function()));
  if (figure.function() == Aggregation::FUNCTION_AVG) {
    figure.set_weight(
        chance.Pick({"", "", "count", "weight", "ready", "meta.n"}));
  }
}

v1::AggregateRequest RandomRequest(Chance& chance) {
  v1::AggregateRequest request;
  request.set_collection("events");
  request.set_filter(chance.Pick(
      {"", "", "count > 0", "ready", "NOT ready", "tags HAS \"y\"",
       "at < now - 7000d", "place = \"ROME\" OR kind IS NULL", "count > 100"}));
  int name = 0;
  for (int i = chance.Below(4); i > 0; --i) {
    AddRandomKey(chance, absl::StrCat("k", name++), request);
  }
  const int least = request.group_by().empty() ? 1 : 0;
  for (int i = least + chance.Below(5); i > 0; --i) {
    AddRandomFigure(chance, absl::StrCat("f", name++), request);
  }
  if (chance.Below(3) == 0) {
    request.set_having(absl::StrCat(request.group_by().empty() ? "f0" : "k0",
                                    chance.Pick({" IS NOT NULL", " IS NULL"})));
  }
  if (name > 0 && chance.Below(2) == 0) {
    const int place = chance.Below(name);
    request.set_order_by(
        absl::StrCat(place < request.group_by_size() ? "k" : "f", place,
                     chance.Pick({"", " desc"})));
  }
  request.set_limit(chance.Below(2) == 0 ? 10'000 : 1 + chance.Below(5));
  return request;
}

// A value of the plain evaluation, with the type that it is answered as.
struct Held {
  FieldValue value;
  FieldType type = FieldType::kString;
  bool nocase = false;
};

using NaiveRow = std::vector<Held>;

std::string Lower(const Held& held) {
  std::string text;
  google::protobuf::Value value;
  if (held.value.index() == 0) return "missing";
  EXPECT_OK(schema::EncodeValue(held.type, held.value, &value));
  json::AppendJson(value, &text);
  return held.nocase ? absl::AsciiStrToLower(text) : text;
}

int CompareHeld(const Held& a, const Held& b) {
  if (a.value.index() == 0 || b.value.index() == 0) {
    return static_cast<int>(b.value.index() == 0) -
           static_cast<int>(a.value.index() == 0);
  }
  FieldValue x = a.value;
  FieldValue y = b.value;
  if (a.nocase) {
    absl::AsciiStrToLower(&std::get<std::string>(x));
    absl::AsciiStrToLower(&std::get<std::string>(y));
  }
  return x < y ? -1 : y < x ? 1 : 0;
}

// What Aggregate promises, as plainly as it can be said.
class Naive {
 public:
  Naive(const Collection& collection, const std::vector<StoredRecord>& records,
        int64_t now_us)
      : scope_(collection.spec), records_(records), now_us_(now_us) {}

  std::vector<NaiveRow> Answer(const v1::AggregateRequest& request);

 private:
  using Values = std::vector<FieldValue>;
  using Records = std::vector<const StoredRecord*>;

  // Each text is read once.
  const filter::Node& Parse(const std::string& text) const {
    const auto [found, is_new] = parsed_.try_emplace(text);
    if (is_new) {
      auto node = filter::ParseValue(text, scope_, {});
      EXPECT_OK(node);
      found->second = *std::move(node);
    }
    return found->second;
  }
  // Json is a number in figures that add up or compare.
  const filter::Node& ParseNumber(const std::string& text) const {
    const filter::Node& node = Parse(text);
    if (node.type != Type::kJson) return node;
    const auto [found, is_new] = parsed_.try_emplace("number " + text);
    if (is_new) {
      found->second =
          *filter::ParseExpression(text, scope_, FieldType::kDouble, {});
    }
    return found->second;
  }
  FieldValue Of(const filter::Node& node, const StoredRecord& record) const {
    return filter::Evaluate(
        node,
        [&](int place) -> const FieldValue& { return ValueAt(record, place); },
        now_us_);
  }
  bool IsWanted(const StoredRecord& record, const std::string& filter) const;
  std::vector<Held> KeysOf(const v1::GroupKey& key,
                           const StoredRecord& record) const;
  Held Figure(const Aggregation& figure, const Records& records) const;
  Held Count(const Aggregation& figure, const Records& records) const;
  Held Mean(const Aggregation& figure, const Records& records) const;
  Held Sum(const filter::Node& node, const Values& values) const;
  Held Extreme(const Aggregation& figure, const filter::Node& node,
               const Values& values) const;
  void Group(const v1::AggregateRequest& request, const StoredRecord& record,
             NaiveRow keys);

  const schema::RecordScope scope_;
  const std::vector<StoredRecord>& records_;
  const int64_t now_us_;
  mutable std::map<std::string, filter::Node> parsed_;
  struct Members {
    NaiveRow keys;
    Records records;
  };
  std::map<std::vector<std::string>, Members> groups_;
};

bool Naive::IsWanted(const StoredRecord& record,
                     const std::string& filter) const {
  if (record.deleted_us.has_value() || record.HasExpiredAt(now_us_)) {
    return false;
  }
  if (filter.empty()) return true;
  const auto node = filter::ParseFilter(filter, scope_, {});
  EXPECT_OK(node);
  return filter::Matches(
      *node,
      [&](int place) -> const FieldValue& { return ValueAt(record, place); },
      now_us_);
}

int64_t StartOf(v1::TimeBucket bucket, int64_t time_us) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  const absl::Time time = absl::FromUnixMicros(time_us);
  const absl::CivilSecond at = absl::ToCivilSecond(time, utc);
  absl::CivilSecond start = at;
  switch (bucket) {
    case v1::TIME_BUCKET_MINUTE:
      start = absl::CivilSecond(absl::CivilMinute(at));
      break;
    case v1::TIME_BUCKET_HOUR:
      start = absl::CivilSecond(absl::CivilHour(at));
      break;
    case v1::TIME_BUCKET_DAY:
      start = absl::CivilSecond(absl::CivilDay(at));
      break;
    case v1::TIME_BUCKET_WEEK:
      start = absl::CivilSecond(
          absl::PrevWeekday(absl::CivilDay(at) + 1, absl::Weekday::monday));
      break;
    case v1::TIME_BUCKET_MONTH:
      start = absl::CivilSecond(absl::CivilMonth(at));
      break;
    case v1::TIME_BUCKET_QUARTER:
      start = absl::CivilSecond(at.year(), (at.month() - 1) / 3 * 3 + 1, 1);
      break;
    case v1::TIME_BUCKET_YEAR:
      start = absl::CivilSecond(absl::CivilYear(at));
      break;
    default:
      return time_us;
  }
  return absl::ToUnixMicros(absl::FromCivil(start, utc));
}

std::vector<Held> Naive::KeysOf(const v1::GroupKey& key,
                                const StoredRecord& record) const {
  const filter::Node& node = Parse(key.field());
  const FieldValue value = Of(node, record);
  switch (node.type) {
    case Type::kStrings: {
      std::set<std::string> elements;
      if (value.index() != 0) {
        google::protobuf::Value list;
        EXPECT_OK(schema::EncodeValue(FieldType::kStrings, value, &list));
        for (const auto& element : list.list_value().values()) {
          elements.insert(element.string_value());
        }
      }
      std::vector<Held> keys;
      for (const std::string& element : elements) keys.push_back({element});
      return keys;
    }
    case Type::kTimestamp:
      if (value.index() == 0) return {{value, FieldType::kTimestamp}};
      return {{StartOf(key.bucket(), std::get<int64_t>(value)),
               FieldType::kTimestamp}};
    case Type::kDuration:
      if (value.index() == 0) return {{value, FieldType::kDouble}};
      return {{static_cast<double>(std::get<int64_t>(value)) / 1e6,
               FieldType::kDouble}};
    case Type::kInt:
      return {{value, FieldType::kInt}};
    case Type::kDouble:
      return {{value, FieldType::kDouble}};
    case Type::kBool:
      return {{value, FieldType::kBool}};
    case Type::kJson:
      return {{value, FieldType::kJson}};
    default:
      return {{value, FieldType::kString, node.nocase}};
  }
}

void Naive::Group(const v1::AggregateRequest& request,
                  const StoredRecord& record, NaiveRow keys) {
  const auto place = static_cast<int>(keys.size());
  if (place < request.group_by_size()) {
    for (const Held& key : KeysOf(request.group_by(place), record)) {
      NaiveRow longer = keys;
      longer.push_back(key);
      Group(request, record, std::move(longer));
    }
    return;
  }
  std::vector<std::string> names;
  for (const Held& key : keys) names.push_back(Lower(key));
  Members& members = groups_[names];
  if (members.records.empty()) members.keys = keys;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].nocase && keys[i].value < members.keys[i].value) {
      members.keys[i] = keys[i];
    }
  }
  members.records.push_back(&record);
}

double NumberOf(const FieldValue& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  return whole != nullptr ? static_cast<double>(*whole)
                          : std::get<double>(value);
}

Held Naive::Extreme(const Aggregation& figure, const filter::Node& node,
                    const Values& values) const {
  Held best;
  for (const FieldValue& value : values) {
    const Held held = {value, FieldType::kString, node.nocase};
    int order = best.value.index() == 0 ? -1 : CompareHeld(held, best);
    if (order == 0) order = value < best.value ? -1 : value > best.value;
    const bool is_first = best.value.index() == 0;
    const bool is_min = figure.function() == Aggregation::FUNCTION_MIN;
    if (is_first || (is_min ? order < 0 : order > 0)) best = held;
  }
  best.type = node.type == Type::kInt         ? FieldType::kInt
              : node.type == Type::kTimestamp ? FieldType::kTimestamp
              : node.type == Type::kString    ? FieldType::kString
                                              : FieldType::kDouble;
  if (node.type == Type::kDuration && best.value.index() != 0) {
    best.value = NumberOf(best.value) / 1e6;
  }
  best.nocase = node.nocase;
  return best;
}

FieldType HeldType(Type type) {
  switch (type) {
    case Type::kInt:
    case Type::kBool:
    case Type::kTimestamp:
    case Type::kDuration:
      return FieldType::kInt;
    case Type::kDouble:
      return FieldType::kDouble;
    default:
      return FieldType::kString;
  }
}

Held Naive::Count(const Aggregation& figure, const Records& records) const {
  if (figure.expression().empty()) {
    return {static_cast<int64_t>(records.size()), FieldType::kInt};
  }
  const filter::Node& node = Parse(figure.expression());
  int64_t count = 0;
  std::set<std::string> different;
  for (const StoredRecord* record : records) {
    const FieldValue value = Of(node, *record);
    if (value.index() == 0) continue;
    ++count;
    different.insert(Lower({value, HeldType(node.type), node.nocase}));
  }
  if (figure.function() == Aggregation::FUNCTION_COUNT_DISTINCT) {
    count = static_cast<int64_t>(different.size());
  }
  return {count, FieldType::kInt};
}

Held Naive::Mean(const Aggregation& figure, const Records& records) const {
  const filter::Node& node = ParseNumber(figure.expression());
  double sum = 0;
  double weights = 0;
  for (const StoredRecord* record : records) {
    const FieldValue value = Of(node, *record);
    FieldValue weight = int64_t{1};
    if (!figure.weight().empty()) {
      weight = Of(ParseNumber(figure.weight()), *record);
    }
    if (value.index() == 0 || weight.index() == 0) continue;
    sum += NumberOf(value) * NumberOf(weight);
    weights += NumberOf(weight);
  }
  if (weights == 0) return {FieldValue(), FieldType::kDouble};
  const double unit = node.type == Type::kDuration ? 1e6 : 1;
  return {sum / weights / unit, FieldType::kDouble};
}

Held Naive::Sum(const filter::Node& node, const Values& values) const {
  const bool is_whole = node.type == Type::kInt || node.type == Type::kBool;
  const FieldType type = is_whole ? FieldType::kInt : FieldType::kDouble;
  if (values.empty()) return {FieldValue(), type};
  double sum = 0;
  for (const FieldValue& value : values) sum += NumberOf(value);
  if (is_whole) return {static_cast<int64_t>(sum), type};
  return {node.type == Type::kDuration ? sum / 1e6 : sum, type};
}

Held Naive::Figure(const Aggregation& figure, const Records& records) const {
  switch (figure.function()) {
    case Aggregation::FUNCTION_COUNT:
    case Aggregation::FUNCTION_COUNT_DISTINCT:
      return Count(figure, records);
    case Aggregation::FUNCTION_AVG:
      return Mean(figure, records);
    default:
      break;
  }
  const filter::Node& node = ParseNumber(figure.expression());
  Values values;
  for (const StoredRecord* record : records) {
    FieldValue value = Of(node, *record);
    if (value.index() != 0) values.push_back(std::move(value));
  }
  return figure.function() == Aggregation::FUNCTION_SUM
             ? Sum(node, values)
             : Extreme(figure, node, values);
}

std::vector<NaiveRow> Naive::Answer(const v1::AggregateRequest& request) {
  groups_.clear();
  if (request.group_by().empty()) groups_[{}];
  for (const StoredRecord& record : records_) {
    if (IsWanted(record, request.filter())) Group(request, record, {});
  }
  std::vector<NaiveRow> rows;
  for (const auto& [names, members] : groups_) {
    NaiveRow row = members.keys;
    for (const Aggregation& figure : request.aggregations()) {
      row.push_back(Figure(figure, members.records));
    }
    // Only `<first column> IS [NOT] NULL` is asked for.
    if (!request.having().empty()) {
      const bool wants_value =
          request.having().find("NOT") != std::string::npos;
      if (wants_value != (row[0].value.index() != 0)) continue;
    }
    rows.push_back(std::move(row));
  }
  std::vector<std::pair<int, bool>> order;
  if (!request.order_by().empty()) {
    int place = 0;
    EXPECT_TRUE(absl::SimpleAtoi(
        request.order_by().substr(1, request.order_by().find(' ') - 1),
        &place));
    order.emplace_back(place,
                       request.order_by().find("desc") != std::string::npos);
  }
  for (int i = 0; i < request.group_by_size(); ++i)
    order.emplace_back(i, false);
  std::sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
    for (const auto& [place, descending] : order) {
      const int compared = CompareHeld(a[place], b[place]);
      if (compared != 0) return descending ? compared > 0 : compared < 0;
    }
    return false;
  });
  return rows;
}

std::vector<google::protobuf::Struct> Encode(
    const v1::AggregateRequest& request, const std::vector<NaiveRow>& rows) {
  std::vector<google::protobuf::Struct> encoded;
  for (const NaiveRow& row : rows) {
    google::protobuf::Struct& object = encoded.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].value.index() == 0) continue;
      const auto keys = static_cast<size_t>(request.group_by_size());
      const std::string name =
          i < keys ? request.group_by(static_cast<int>(i)).name()
                   : request.aggregations(static_cast<int>(i - keys)).name();
      EXPECT_OK(schema::EncodeValue(row[i].type, row[i].value,
                                    &(*object.mutable_fields())[name]));
    }
  }
  return encoded;
}

// The row with its numbers cut to the digits that do not depend on how a sum is
// rounded on the way.
std::string Rounded(const google::protobuf::Struct& row) {
  std::string text;
  for (const auto& [name, value] :
       std::map<std::string, google::protobuf::Value>(row.fields().begin(),
                                                      row.fields().end())) {
    absl::StrAppend(&text, name, ": ");
    if (value.has_number_value()) {
      absl::StrAppend(&text, absl::StrFormat("%.11g", value.number_value()));
    } else {
      json::AppendJson(value, &text);
    }
    text += "; ";
  }
  return text;
}

TEST(AggregateAgreementTest, AnswersAreWhatAPlainEvaluationGives) {
  const uint32_t seed = Seed();
  SCOPED_TRACE(absl::StrCat("ENGRAM_TEST_SEED=", seed));
  Chance chance(seed);
  TestDatabase database;
  ASSERT_OK(database.Apply({kEvents}));
  std::vector<std::string> items;
  for (int i = 0; i < kRecords; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "events", "create": {"id": "e)", i,
                     R"(", "fields": )", RandomFields(chance), "}}"));
    if (i % 7 == 0) {
      items.push_back(absl::StrCat(
          R"({"collection": "events", "delete": {"id": "e)", i / 2, "\"}}"));
    }
  }
  ASSERT_OK(database.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  database.clock().Advance(absl::Seconds(5));

  ASSERT_OK_AND_ASSIGN(ReadView view, database.database().BeginRead());
  ASSERT_OK_AND_ASSIGN(const CollectionPtr collection, view.Get("events"));
  std::vector<StoredRecord> records;
  {
    ASSERT_OK_AND_ASSIGN(sqlite::Statement select,
                         view.connection().Prepare(absl::StrCat(
                             "SELECT ", collection->columns, " FROM events")));
    while (*select.Step()) records.push_back(ReadStoredRecord(select));
  }
  ASSERT_EQ(records.size(), size_t{kRecords});
  Naive naive(*collection, records, database.database().now_us());
  size_t rows = 0;
  for (int i = 0; i < kRequests && !::testing::Test::HasFailure(); ++i) {
    const v1::AggregateRequest request = RandomRequest(chance);
    SCOPED_TRACE(request.DebugString());
    v1::AggregateResponse response;
    ASSERT_OK(Aggregate(database.database(), request, {}, &response));
    std::vector<NaiveRow> expected = naive.Answer(request);
    const auto limit = static_cast<size_t>(request.limit());
    EXPECT_EQ(response.truncated(), expected.size() > limit);
    if (expected.size() > limit) expected.resize(limit);
    std::vector<std::string> got, wanted;
    for (const auto& row : response.rows()) got.push_back(Rounded(row));
    for (const auto& row : Encode(request, expected)) {
      wanted.push_back(Rounded(row));
    }
    EXPECT_EQ(got, wanted);
    rows += got.size();
  }
  // Else the requests ask for nothing.
  EXPECT_GT(rows, size_t{kRequests});
}

}  // namespace
}  // namespace engram::storage
