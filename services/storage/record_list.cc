#include "services/storage/record_list.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/record_scope.h"
#include "libs/status/status_macros.h"
#include "libs/wire/wire.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/read_target.h"
#include "services/storage/record_order.h"
#include "services/storage/record_reader.h"
#include "services/storage/record_select.h"
#include "services/storage/request_fields.h"
#include "services/storage/row_finder.h"

namespace engram::storage {
namespace {

using Request = v1::RecordServiceListRequest;
using Response = v1::RecordServiceListResponse;

// A page ends with the record that takes it beyond this: clients take messages
// of 4 MiB.
constexpr size_t kPageBytes = 1 << 20;

// A request that was checked.
struct List {
  std::vector<int> fields;
  filter::Node filter;
  RecordOrder order;
  int page_size = 0;
  // What page tokens are bound to.
  std::string name;
  // Where to go on.
  std::optional<std::vector<ColumnValue>> after;
};

// A sample has neither an order nor a next page.
void CheckRandom(const Request& request, FieldViolations& violations) {
  if (!request.random()) return;
  constexpr absl::string_view kProblem =
      "does not go with random; leave one of them out";
  if (!request.order_by().empty()) violations.Add("order_by", kProblem);
  if (!request.page_token().empty()) violations.Add("page_token", kProblem);
  if (request.reverse()) violations.Add("reverse", kProblem);
}

// The records listed and their order: the same for two requests only if one's
// token means the same to the other.
std::string ListName(const ReadTarget& target, const Request& request) {
  Request form;
  form.set_filter(request.filter());
  *form.mutable_parameters() = request.parameters();
  form.set_order_by(request.order_by());
  return absl::StrCat("records/", target.database->name(), "/",
                      target.collection->name(), "/",
                      absl::WebSafeBase64Escape(HashRequest(form)));
}

absl::StatusOr<List> DecodeList(const ReadTarget& target,
                                const Request& request) {
  const Collection& collection = *target.collection;
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  List list;
  list.page_size = DecodePageSize(request.page_size(), violations);
  list.fields =
      DecodeMask(collection, request.read_mask(), "read_mask", violations);
  list.filter =
      DecodeReadFilter(schema::RecordScope(collection.spec), request.filter(),
                       "filter", parameters, violations);
  parameters.CheckAllUsed(violations);
  list.order = DecodeOrder(collection, request.order_by(), violations);
  CheckRandom(request, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  if (request.random()) return list;
  list.name = ListName(target, request);
  ASSIGN_OR_RETURN(const std::string last,
                   DecodePageToken(list.name, request.page_token()));
  if (last.empty()) return list;
  ASSIGN_OR_RETURN(list.after, DecodeKeyset(list.order, last));
  return list;
}

// The values of a record's keys.
absl::StatusOr<std::vector<ColumnValue>> ReadKeys(int64_t row, const List& list,
                                                  const ReadTarget& target) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      target.connection().Cached(absl::StrCat(
          "SELECT ", KeyColumns(list.order), " FROM ",
          QuoteIdentifier(target.collection->name()), " WHERE _row = ?")));
  select.BindInt(1, row);
  RETURN_IF_ERROR(select.Step().status());
  std::vector<ColumnValue> values;
  values.reserve(select.column_count());
  for (int i = 0; i < select.column_count(); ++i) {
    values.push_back(ReadColumn(select, i));
  }
  return values;
}

// The token for what comes behind a record; empty if nothing does.
absl::StatusOr<std::string> TokenAfter(int64_t row, const List& list,
                                       const ReadTarget& target,
                                       RowFinder& finder) {
  ASSIGN_OR_RETURN(const std::vector<ColumnValue> keys,
                   ReadKeys(row, list, target));
  ASSIGN_OR_RETURN(const bool goes_on, finder.HasAfter(list.order, keys));
  if (!goes_on) return std::string();
  ASSIGN_OR_RETURN(const std::string last, EncodeKeyset(list.order, keys));
  return EncodePageToken(list.name, last);
}

// The records of a page, encoded.
class Page {
 public:
  explicit Page(int size) : size_(size) {}

  // What the next record is encoded into.
  std::string* record() { return &record_; }
  void Add() {
    wire::AppendBytes(Response::kRecordsFieldNumber, record_, &bytes_);
    ends_.push_back(bytes_.size());
  }

  bool is_full() const {
    return ends_.size() == static_cast<size_t>(size_) ||
           bytes_.size() >= kPageBytes;
  }

  void Reverse() {
    std::string reversed;
    reversed.reserve(bytes_.size());
    for (size_t i = ends_.size(); i-- > 0;) {
      const size_t begin = i == 0 ? 0 : ends_[i - 1];
      reversed.append(bytes_, begin, ends_[i] - begin);
    }
    bytes_ = std::move(reversed);
  }

  // `rest` is all of the response but the records.
  std::string Finish(const Response& rest) && {
    rest.AppendToString(&bytes_);
    return std::move(bytes_);
  }

 private:
  const int size_;
  std::string record_;
  std::string bytes_;
  // Where each record ends.
  std::vector<size_t> ends_;
};

absl::Status AddSample(const List& list, RowFinder& finder,
                       RecordReader& reader, Page& page) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows,
                   finder.ByChance(static_cast<size_t>(list.page_size)));
  for (const int64_t row : rows) {
    if (page.is_full()) break;
    RETURN_IF_ERROR(reader.EncodeByRow(row, page.record()));
    page.Add();
  }
  return absl::OkStatus();
}

// Returns the token for the next page.
absl::StatusOr<std::string> AddPage(const ReadTarget& target, const List& list,
                                    RowFinder& finder, RecordReader& reader,
                                    Page& page) {
  int64_t last_row = 0;
  const auto add = [&](const sqlite::Statement& found) -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(reader.Encode(found, page.record()));
    page.Add();
    last_row = found.Int(kRecordRow);
    return !page.is_full();
  };
  RETURN_IF_ERROR(finder.InOrder(
      list.order, list.after.has_value() ? &*list.after : nullptr,
      static_cast<size_t>(list.page_size), reader.columns(), add));
  if (!page.is_full()) return std::string();
  return TokenAfter(last_row, list, target, finder);
}

absl::StatusOr<std::string> Encode(const ReadTarget& target,
                                   const Request& request, const List& list,
                                   int64_t now_us) {
  RowFinder finder(target.connection(), *target.collection, list.filter,
                   now_us);
  RecordReader reader(target.connection(), *target.collection, list.fields,
                      BodyOf(request.typed()), now_us);
  Page page(list.page_size);
  Response rest;
  if (request.random()) {
    RETURN_IF_ERROR(AddSample(list, finder, reader, page));
  } else {
    ASSIGN_OR_RETURN(*rest.mutable_next_page_token(),
                     AddPage(target, list, finder, reader, page));
  }
  if (request.reverse()) page.Reverse();
  if (request.with_total()) {
    ASSIGN_OR_RETURN(const int64_t total, finder.Count());
    rest.set_total_size(total);
  }
  rest.set_page_size(list.page_size);
  ASSIGN_OR_RETURN(*rest.mutable_position(), target.ReadPosition());
  return std::move(page).Finish(rest);
}

}  // namespace

absl::StatusOr<std::string> ListRecords(Database& database,
                                        const Request& request,
                                        const CallBounds& bounds) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const List list, DecodeList(target, request));
  const StatementGuard guard(target.connection(), bounds);
  absl::StatusOr<std::string> response =
      Encode(target, request, list, database.now_us());
  if (!response.ok()) return guard.Explain(response.status());
  return response;
}

}  // namespace engram::storage
