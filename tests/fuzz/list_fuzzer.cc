// Reads the bytes as a List request: three that choose, then lines of an order,
// a page token and a filter. What storage lists, over all pages, must be what a
// plain evaluation finds and sorts.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/filter/evaluate.h"
#include "libs/filter/filter.h"
#include "libs/log/log.h"
#include "libs/schema/record_scope.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/storage/collection_table.h"
#include "services/storage/order_by.h"
#include "services/storage/record_list.h"
#include "services/storage/stored_record.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/fuzz_targets.h"
#include "tests/integration/direct_store.h"

namespace engram::fuzz {
namespace {

using storage::ColumnValue;
using storage::StoredRecord;
using storage::v1::RecordServiceListRequest;
using storage::v1::RecordServiceListResponse;

constexpr absl::string_view kDocuments[] = {R"yaml(
collection: items
fields:
  name: {type: string, collate: nocase, index: true}
  kind: {type: string, index: true}
  size: {type: int, index: true}
  score: {type: double, index: true}
  done: {type: bool}
  at: {type: timestamp}
  meta: {type: json}
  tags: {type: strings, index: true}
  twice: {type: int, generated: 'size * 2'}
  until: {type: timestamp}
indexes: [[kind, -score]]
soft_delete: true
expire: {field: until}
)yaml",
                                            R"yaml(
collection: notes
id: sequence
fields:
  body: {type: text}
  about: {type: ref(notes)}
  blob: {type: bytes}
  rank: {type: double}
  words: {type: strings}
)yaml"};
constexpr const char* kCollections[] = {"items", "notes"};
constexpr int kRecords = 40;

void Require(bool holds, absl::string_view what, absl::string_view detail) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", std::string(what).c_str(),
               std::string(detail).c_str());
  std::abort();
}

template <typename Status>
void RequireOk(const Status& status, absl::string_view what) {
  Require(status.ok(), what, status.ToString());
}

// A store of two collections whose values are few, so that many are equal.
class ListedStore {
 public:
  ListedStore() {
    RequireOk(log::SetLevel("off"), "log");
    auto store = storage::testing::DirectStore::Open(
        directory_.File("engram.db"), clock_,
        {.durability = sqlite::Durability::kNormal});
    RequireOk(store.status(), "open");
    store_ = *std::move(store);
    RequireOk(store_->ApplySchema(
                  {std::string(kDocuments[0]), std::string(kDocuments[1])}),
              "apply");
    for (int i = 0; i < kRecords; ++i) {
      WriteItem(i);
      WriteNote(i);
    }
    DeleteItems({"i7", "i20"});
    // What expires in the year 1970 has done so.
    clock_.Advance(absl::Seconds(1));
    for (const char* name : kCollections) ReadAll(name);
  }

  storage::Database& database() { return store_->database(); }
  const storage::Collection& collection(int number) const {
    return *collections_[number];
  }
  const std::vector<StoredRecord>& records(int number) const {
    return records_[number];
  }

 private:
  using Value = google::protobuf::Value;

  // One of the texts; the last is no value.
  void Set(google::protobuf::Struct& fields, const std::string& name,
           const std::vector<std::string>& texts) {
    const size_t chosen = random_() % (texts.size() + 1);
    if (chosen == texts.size()) return;
    (*fields.mutable_fields())[name].set_string_value(texts[chosen]);
  }
  void SetNumber(google::protobuf::Struct& fields, const std::string& name,
                 const std::vector<double>& numbers) {
    const size_t chosen = random_() % (numbers.size() + 1);
    if (chosen == numbers.size()) return;
    (*fields.mutable_fields())[name].set_number_value(numbers[chosen]);
  }
  void SetList(google::protobuf::Struct& fields, const std::string& name) {
    if (random_() % 3 == 0) return;
    auto& list = *(*fields.mutable_fields())[name].mutable_list_value();
    for (const char* word : {"a", "B", "ü"}) {
      if (random_() % 2 == 0) list.add_values()->set_string_value(word);
    }
  }

  void Create(storage::v1::WriteItem item) {
    storage::v1::WriteRequest request;
    *request.add_items() = std::move(item);
    RequireOk(store_->Write(request).status(), "write");
  }

  void WriteItem(int number) {
    storage::v1::WriteItem item;
    item.set_collection("items");
    item.mutable_create()->set_id(absl::StrCat("i", number * 7 % kRecords));
    auto& fields = *item.mutable_create()->mutable_fields();
    Set(fields, "name", {"a", "A", "b", "", "ä", "aB", "Ab"});
    Set(fields, "kind", {"x", "y", "X", ""});
    Set(fields, "size",
        {"0", "1", "-1", "7", "9223372036854775807", "-9223372036854775808"});
    SetNumber(fields, "score", {0, -0.0, 0.5, -1, 1e300, 9007199254740993.0});
    if (random_() % 3 > 0) {
      (*fields.mutable_fields())["done"].set_bool_value(random_() % 2 == 0);
    }
    Set(fields, "at", {"2026-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"});
    auto& meta = *(*fields.mutable_fields())["meta"].mutable_struct_value();
    SetNumber(meta, "n", {0, 1, 2.5});
    Set(meta, "s", {"a", "b"});
    SetList(fields, "tags");
    Set(fields, "until",
        {"1970-01-01T00:00:00Z", "9000-01-01T00:00:00Z", "9000-01-02T00:00:00Z",
         "9000-01-03T00:00:00Z"});
    Create(std::move(item));
  }

  void WriteNote(int number) {
    storage::v1::WriteItem item;
    item.set_collection("notes");
    auto& fields = *item.mutable_create()->mutable_fields();
    Set(fields, "body", {"", "the end", "The end", "ümlaut", "%_\\"});
    if (number > 0) Set(fields, "about", {"1", absl::StrCat(number)});
    Set(fields, "blob", {"", "AA==", "/w=="});
    SetNumber(fields, "rank", {1, 2, 2.5, -2});
    SetList(fields, "words");
    Create(std::move(item));
  }

  void DeleteItems(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      storage::v1::WriteItem item;
      item.set_collection("items");
      item.mutable_delete_()->set_id(id);
      Create(std::move(item));
    }
  }

  // What a reader sees, as it is stored.
  void ReadAll(absl::string_view name) {
    collections_.push_back(database().catalog().Find(name));
    auto reader = database().AcquireReader();
    RequireOk(reader.status(), "reader");
    auto select = (*reader)->Prepare(
        absl::StrCat("SELECT ", collections_.back()->columns, " FROM ",
                     storage::QuoteIdentifier(name), " ORDER BY _row"));
    RequireOk(select.status(), "select");
    std::vector<StoredRecord>& records = records_.emplace_back();
    while (*select->Step()) {
      StoredRecord record = storage::ReadStoredRecord(*select);
      if (record.deleted_us.has_value() ||
          record.HasExpiredAt(database().now_us())) {
        continue;
      }
      records.push_back(std::move(record));
    }
    Require(!records.empty(), "no records", name);
  }

  const engram::testing::TempDirectory directory_;
  engram::testing::FakeClock clock_;
  std::mt19937 random_{20261128};  // The same records each time.
  std::unique_ptr<storage::testing::DirectStore> store_;
  std::vector<storage::CollectionPtr> collections_;
  std::vector<std::vector<StoredRecord>> records_;
};

ListedStore& Store() {
  static ListedStore* const store = [] {
    auto* const made = new ListedStore();
    std::atexit([] { delete &Store(); });
    return made;
  }();
  return *store;
}

// Below, at, or above zero.
int Compare(const ColumnValue& a, const ColumnValue& b, bool nocase) {
  if (a.index() == 0 || b.index() == 0) {
    return static_cast<int>(a.index() != 0) - static_cast<int>(b.index() != 0);
  }
  if (const auto* text = std::get_if<std::string>(&a)) {
    const auto& other = std::get<std::string>(b);
    return nocase ? absl::AsciiStrToLower(*text).compare(
                        absl::AsciiStrToLower(other))
                  : text->compare(other);
  }
  return a < b ? -1 : b < a ? 1 : 0;
}

// One input's request.
class Game {
 public:
  Game(Choices& choices, absl::string_view text) {
    number_ = choices.Below(2);
    request_.set_collection(kCollections[number_]);
    request_.set_page_size(choices.Below(60));
    const int flags = choices.Below(256);
    request_.set_reverse((flags & 1) != 0);
    request_.set_with_total((flags & 2) != 0);
    request_.set_random((flags & 12) == 12);
    request_.set_typed((flags & 16) != 0);
    request_.mutable_read_mask()->add_paths("id");
    mutation_ = flags >> 5;
    const std::vector<std::string> lines =
        absl::StrSplit(text, absl::MaxSplits('\n', 2));
    request_.set_order_by(lines[0]);
    if (lines.size() > 1) token_ = lines[1];
    if (lines.size() > 2) request_.set_filter(lines[2]);
    AddParameters();
  }

  void Play() {
    if (!token_.empty()) List(token_);
    const auto first = List("");
    if (!first.has_value()) return;
    const auto expected = Expected();
    Require(!request_.with_total() ||
                first->total_size() == static_cast<int64_t>(expected.size()),
            "a total is wrong",
            absl::StrCat(first->total_size(), " instead of ", expected.size(),
                         "\n", request_.DebugString()));
    if (request_.random()) return CheckSample(*first, expected);
    Require(Walk(*first) == expected, "the pages are wrong",
            request_.DebugString());
    TryBadToken(first->next_page_token());
  }

 private:
  // Those that the filter names: others would be refused.
  void AddParameters() {
    auto& values = *request_.mutable_parameters()->mutable_fields();
    if (absl::StrContains(request_.filter(), ":n")) {
      values["n"].set_number_value(1);
    }
    if (absl::StrContains(request_.filter(), ":s")) {
      values["s"].set_string_value("a");
    }
    if (absl::StrContains(request_.filter(), ":l")) {
      auto& list = *values["l"].mutable_list_value();
      for (const char* text : {"a", "x", "A"}) {
        list.add_values()->set_string_value(text);
      }
    }
  }

  // One page; nothing if it is refused.
  std::optional<RecordServiceListResponse> List(const std::string& token) {
    request_.set_page_token(token);
    RecordServiceListResponse response;
    const absl::Status status = storage::ListRecords(
        Store().database(), request_, storage::CallBounds(), &response);
    if (status.ok()) return response;
    Require(status.code() == absl::StatusCode::kInvalidArgument,
            "a request met an inner error",
            absl::StrCat(status.ToString(), "\n", request_.DebugString()));
    return std::nullopt;
  }

  // The ids of the page and of all after it.
  std::vector<std::string> Walk(RecordServiceListResponse page) {
    std::vector<std::string> ids;
    while (true) {
      Require(page.records_size() <= page.page_size(), "a page is too long",
              request_.DebugString());
      std::vector<std::string> of_page;
      for (const auto& record : page.records()) of_page.push_back(record.id());
      if (request_.reverse()) std::reverse(of_page.begin(), of_page.end());
      ids.insert(ids.end(), of_page.begin(), of_page.end());
      if (page.next_page_token().empty()) return ids;
      Require(page.records_size() == page.page_size(), "a page is too short",
              request_.DebugString());
      auto next = List(page.next_page_token());
      Require(next.has_value(), "a token is refused", request_.DebugString());
      page = *std::move(next);
    }
  }

  // The ids of what meets the filter, in the order asked for.
  std::vector<std::string> Expected() {
    const schema::CollectionSpec& spec = Store().collection(number_).spec;
    const schema::RecordScope scope(spec);
    std::optional<filter::Node> filter;
    if (!request_.filter().empty()) {
      auto parsed =
          filter::ParseFilter(request_.filter(), scope, request_.parameters());
      RequireOk(parsed.status(), "a filter that was taken");
      filter = *std::move(parsed);
    }
    std::vector<const StoredRecord*> found;
    for (const StoredRecord& record : Store().records(number_)) {
      const auto value_at = [&](int place) -> const ColumnValue& {
        return storage::ValueAt(record, place);
      };
      if (!filter.has_value() ||
          filter::Matches(*filter, value_at, Store().database().now_us())) {
        found.push_back(&record);
      }
    }
    Sort(scope, found);
    std::vector<std::string> ids;
    ids.reserve(found.size());
    for (const StoredRecord* record : found) ids.push_back(record->id);
    return ids;
  }

  void Sort(const schema::RecordScope& scope,
            std::vector<const StoredRecord*>& records) {
    const auto terms = storage::ParseOrderBy(request_.order_by());
    RequireOk(terms.status(), "an order that was taken");
    // Records were read in the order of their rows.
    if (terms->empty()) return;
    std::sort(records.begin(), records.end(),
              [&](const StoredRecord* a, const StoredRecord* b) {
                for (const storage::OrderTerm& term : *terms) {
                  const int order = CompareBy(scope, term, *a, *b);
                  if (order != 0) return (order < 0) != term.descending;
                }
                return a->id < b->id;
              });
  }

  static int CompareBy(const schema::RecordScope& scope,
                       const storage::OrderTerm& term, const StoredRecord& a,
                       const StoredRecord& b) {
    if (term.name == "_row") return a.row < b.row ? -1 : a.row > b.row ? 1 : 0;
    const auto name = scope.Find(term.name);
    Require(name.has_value(), "an order of no field was taken", term.name);
    const ColumnValue first = storage::ValueAt(a, name->place);
    return Compare(first, storage::ValueAt(b, name->place), name->nocase);
  }

  void CheckSample(const RecordServiceListResponse& page,
                   const std::vector<std::string>& expected) {
    const std::set<std::string> all(expected.begin(), expected.end());
    std::set<std::string> sample;
    for (const auto& record : page.records()) {
      Require(all.count(record.id()) > 0, "a sample has what it should not",
              request_.DebugString());
      sample.insert(record.id());
    }
    Require(sample.size() == static_cast<size_t>(page.records_size()) &&
                sample.size() == std::min(all.size(), static_cast<size_t>(
                                                          page.page_size())) &&
                page.next_page_token().empty(),
            "a sample is wrong", request_.DebugString());
  }

  // A token that somebody has tampered with is refused, or leads somewhere.
  void TryBadToken(std::string token) {
    if (token.empty()) return;
    const size_t at = token.size() - 1 - static_cast<size_t>(mutation_) * 2;
    if (at >= token.size()) return;
    token[at] = token[at] == 'A' ? 'B' : 'A';
    List(token);
  }

  int number_ = 0;
  int mutation_ = 0;
  std::string token_;
  RecordServiceListRequest request_;
};

// As the wire demands of strings.
bool IsUtf8(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
  return schema::CheckText(text).ok();
}

}  // namespace

int FuzzList(const uint8_t* data, size_t size) {
  constexpr size_t kChoices = 3;
  const size_t chosen = std::min(size, kChoices);
  const std::string text(data + chosen, data + size);
  if (!IsUtf8(text)) return 0;
  Choices choices(data, chosen);
  Game(choices, text).Play();
  return 0;
}

}  // namespace engram::fuzz
