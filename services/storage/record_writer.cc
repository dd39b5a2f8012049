#include "services/storage/record_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/outbox_table.h"
#include "services/storage/record_id.h"
#include "services/storage/request_log.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kMethod = "engram.storage.v1.RecordService/Write";

// A record that an upsert or a delete found.
struct Existing {
  int64_t row = 0;
  int64_t version = 0;
  std::string id;
  // The values of Collection::read_back.
  std::vector<ColumnValue> values;
};

bool Contains(const std::vector<int>& sorted, int place) {
  return std::binary_search(sorted.begin(), sorted.end(), place);
}

bool ContainsAny(const std::vector<int>& sorted,
                 const std::vector<int>& places) {
  return std::any_of(places.begin(), places.end(),
                     [&](int place) { return Contains(sorted, place); });
}

// The record's value after the item: sent, else what it holds, else what a new
// one gets.
const ColumnValue& ValueAfter(const RecordItem& item, const Existing* existing,
                              int place) {
  if (existing == nullptr || Contains(item.sent, place)) {
    return item.values[place];
  }
  const std::vector<int>& read_back = item.collection->read_back;
  const auto found =
      std::lower_bound(read_back.begin(), read_back.end(), place);
  return existing->values[found - read_back.begin()];
}

// Writes one batch; one object a run.
class BatchWriter {
 public:
  BatchWriter(WriteTransaction& transaction, const RecordBatch& batch,
              v1::WriteResponse* response)
      : transaction_(transaction), batch_(batch), response_(response) {}

  absl::Status Write() {
    for (size_t i = 0; i < batch_.items.size(); ++i) {
      const RecordItem& item = batch_.items[i];
      v1::WriteResult& result = *response_->add_results();
      const absl::Status status = item.action == RecordItem::Action::kDelete
                                      ? Delete(item, result)
                                      : Upsert(item, i, result);
      if (!status.ok())
        return WithContext(status, absl::StrCat("items[", i, "]"));
    }
    return violations_.ToStatus();
  }

 private:
  absl::Status Upsert(const RecordItem& item, size_t index,
                      v1::WriteResult& result);
  absl::Status Create(const RecordItem& item, v1::WriteResult& result);
  absl::Status Update(const RecordItem& item, const Existing& existing,
                      v1::WriteResult& result);
  absl::Status Delete(const RecordItem& item, v1::WriteResult& result);

  absl::StatusOr<std::optional<Existing>> FindById(const RecordItem& item);
  absl::StatusOr<std::optional<Existing>> FindByKey(const RecordItem& item,
                                                    const UniqueKey& key,
                                                    const Existing* existing);
  // Finds the record that an upsert without an id means.
  absl::StatusOr<std::optional<Existing>> FindByKeys(const RecordItem& item);
  absl::Status CheckKeys(const RecordItem& item, const Existing* existing);
  absl::StatusOr<std::optional<Existing>> ReadExisting(
      sqlite::Statement& select, const Collection& collection);

  absl::Status UpdateRow(const RecordItem& item, const Existing& existing,
                         int64_t sequence);
  // Brings outbox and vectors up to date with the record's text; notes in
  // `change` what followers must know.
  absl::Status UpdateVectors(const RecordItem& item, const Existing* existing,
                             int64_t row, int64_t sequence,
                             v1::RecordChanged& change);
  absl::Status AppendChange(const RecordItem& item, int64_t row,
                            absl::string_view id,
                            const v1::RecordChanged& change);
  int64_t NextSequence() const {
    return transaction_.log().head().sequence + 1;
  }

  WriteTransaction& transaction_;
  const RecordBatch& batch_;
  v1::WriteResponse* const response_;
  // Required fields that new records lack, of all items.
  FieldViolations violations_;
};

absl::Status KeyTaken(const RecordItem& item, const UniqueKey& key,
                      absl::string_view id, const Existing& holder) {
  const std::string fields =
      absl::StrJoin(key.fields, ", ", [&](std::string* out, int place) {
        absl::StrAppend(out, item.collection->spec.fields[place].name);
      });
  return MakeError(
      absl::StatusCode::kAlreadyExists,
      common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN,
      absl::StrCat(
          "collection \"", item.collection->name(), "\": the unique key (",
          fields, ") of ",
          id.empty() ? "a new record" : absl::StrCat("record \"", id, "\""),
          " is held by record \"", holder.id, "\""),
      {{"collection", item.collection->name()},
       {"id", id},
       {"holder", holder.id},
       {"key", fields}});
}

absl::Status BatchWriter::Upsert(const RecordItem& item, size_t index,
                                 v1::WriteResult& result) {
  std::optional<Existing> existing;
  if (item.id.empty()) {
    ASSIGN_OR_RETURN(existing, FindByKeys(item));
  } else {
    ASSIGN_OR_RETURN(existing, FindById(item));
  }
  RETURN_IF_ERROR(CheckKeys(item, existing ? &*existing : nullptr));
  if (existing.has_value()) return Update(item, *existing, result);
  if (item.complete) return Create(item, result);
  // Goes on with the other items, so that one answer reports them all.
  std::vector<Assignment> sent;
  for (const int place : item.sent) sent.push_back({place, item.values[place]});
  CompleteNewRecord(item.collection->spec, std::move(sent),
                    absl::StrCat("items[", index, "].upsert.fields"),
                    violations_);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Existing>> BatchWriter::ReadExisting(
    sqlite::Statement& select, const Collection& collection) {
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  Existing existing = {.row = select.Int(0),
                       .version = select.Int(1),
                       .id = std::string(select.Text(2))};
  existing.values.reserve(collection.read_back.size());
  for (size_t i = 0; i < collection.read_back.size(); ++i) {
    existing.values.push_back(ReadColumn(select, static_cast<int>(i) + 3));
  }
  return existing;
}

absl::StatusOr<std::optional<Existing>> BatchWriter::FindById(
    const RecordItem& item) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      transaction_.connection().Cached(item.collection->select_by_id));
  select.BindText(1, item.id);
  return ReadExisting(select, *item.collection);
}

absl::StatusOr<std::optional<Existing>> BatchWriter::FindByKey(
    const RecordItem& item, const UniqueKey& key, const Existing* existing) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(key.select));
  for (size_t i = 0; i < key.fields.size(); ++i) {
    BindColumn(select, static_cast<int>(i) + 1,
               ValueAfter(item, existing, key.fields[i]));
  }
  return ReadExisting(select, *item.collection);
}

absl::StatusOr<std::optional<Existing>> BatchWriter::FindByKeys(
    const RecordItem& item) {
  std::optional<Existing> existing;
  for (const UniqueKey& key : item.collection->unique_keys) {
    ASSIGN_OR_RETURN(std::optional<Existing> holder,
                     FindByKey(item, key, nullptr));
    if (!holder.has_value()) continue;
    if (existing.has_value() && existing->row != holder->row) {
      return KeyTaken(item, key, existing->id, *holder);
    }
    existing = std::move(holder);
  }
  return existing;
}

absl::Status BatchWriter::CheckKeys(const RecordItem& item,
                                    const Existing* existing) {
  for (const UniqueKey& key : item.collection->unique_keys) {
    if (existing != nullptr && !ContainsAny(item.sent, key.fields)) continue;
    ASSIGN_OR_RETURN(const std::optional<Existing> holder,
                     FindByKey(item, key, existing));
    if (!holder.has_value()) continue;
    if (existing != nullptr && existing->row == holder->row) continue;
    return KeyTaken(item, key, existing ? existing->id : item.id, *holder);
  }
  return absl::OkStatus();
}

absl::Status BatchWriter::Create(const RecordItem& item,
                                 v1::WriteResult& result) {
  const int64_t sequence = NextSequence();
  result.set_id(item.id.empty() ? NewRecordId(transaction_.now_us()) : item.id);
  result.set_version(1);
  {
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     transaction_.connection().Cached(item.collection->insert));
    insert.BindText(1, result.id());
    insert.BindInt(2, transaction_.now_us());
    insert.BindInt(3, transaction_.now_us());
    insert.BindInt(4, sequence);
    for (size_t i = 0; i < item.values.size(); ++i) {
      BindColumn(insert, static_cast<int>(i) + 5, item.values[i]);
    }
    RETURN_IF_ERROR(insert.Run());
  }
  const int64_t row = transaction_.connection().last_insert_row();
  transaction_.CountRecords(item.collection->id, 1);
  v1::RecordChanged change;
  RETURN_IF_ERROR(UpdateVectors(item, nullptr, row, sequence, change));
  return AppendChange(item, row, result.id(), change);
}

absl::Status BatchWriter::Update(const RecordItem& item,
                                 const Existing& existing,
                                 v1::WriteResult& result) {
  const int64_t sequence = NextSequence();
  result.set_id(existing.id);
  result.set_version(existing.version + 1);
  RETURN_IF_ERROR(UpdateRow(item, existing, sequence));
  v1::RecordChanged change;
  RETURN_IF_ERROR(
      UpdateVectors(item, &existing, existing.row, sequence, change));
  return AppendChange(item, existing.row, existing.id, change);
}

absl::Status BatchWriter::UpdateRow(const RecordItem& item,
                                    const Existing& existing,
                                    int64_t sequence) {
  std::string sql =
      absl::StrCat("UPDATE ", QuoteIdentifier(item.collection->name()),
                   " SET _version = ?, _updated_us = ?, _sequence = ?");
  for (const int place : item.sent) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(item.collection->spec.fields[place].name),
                    " = ?");
  }
  absl::StrAppend(&sql, " WHERE _row = ?");
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   transaction_.connection().Cached(sql));
  int parameter = 0;
  update.BindInt(++parameter, existing.version + 1);
  update.BindInt(++parameter, transaction_.now_us());
  update.BindInt(++parameter, sequence);
  for (const int place : item.sent) {
    BindColumn(update, ++parameter, item.values[place]);
  }
  update.BindInt(++parameter, existing.row);
  return update.Run();
}

absl::Status BatchWriter::UpdateVectors(const RecordItem& item,
                                        const Existing* existing, int64_t row,
                                        int64_t sequence,
                                        v1::RecordChanged& change) {
  for (const VectorField& field : item.collection->vectors) {
    if (existing != nullptr && !ContainsAny(item.sent, field.sources)) continue;
    std::vector<ColumnValue> sources;
    for (const int place : field.sources) {
      sources.push_back(ValueAfter(item, existing, place));
    }
    const Generation& generation = field.generation;
    const std::optional<std::string> text = SourceText(sources);
    if (!text.has_value()) {
      if (existing == nullptr) continue;
      ASSIGN_OR_RETURN(const bool cleared,
                       RemoveVectors(transaction_, generation, row));
      if (cleared) change.add_cleared_generations(generation.id);
      continue;
    }
    const ContentHash hash = ContentHash::Of(*text);
    bool pending = true;
    if (existing == nullptr) {
      RETURN_IF_ERROR(
          AddOutboxEntry(transaction_, generation.id, row, hash, sequence));
    } else {
      ASSIGN_OR_RETURN(pending, UpdateOutboxEntry(transaction_, generation, row,
                                                  hash, sequence));
    }
    if (pending) change.add_pending_generations(generation.id);
  }
  return absl::OkStatus();
}

absl::Status BatchWriter::AppendChange(const RecordItem& item, int64_t row,
                                       absl::string_view id,
                                       const v1::RecordChanged& change) {
  ++transaction_.effects().records_written;
  return transaction_
      .Append(ChangeKind::kRecordChanged, item.collection->id, row, id,
              change.SerializeAsString())
      .status();
}

absl::Status BatchWriter::Delete(const RecordItem& item,
                                 v1::WriteResult& result) {
  result.set_id(item.id);
  ASSIGN_OR_RETURN(const std::optional<Existing> existing, FindById(item));
  if (!existing.has_value()) return absl::OkStatus();
  for (const VectorField& field : item.collection->vectors) {
    RETURN_IF_ERROR(
        RemoveVectors(transaction_, field.generation, existing->row).status());
  }
  {
    ASSIGN_OR_RETURN(sqlite::Statement remove,
                     transaction_.connection().Cached(item.collection->remove));
    remove.BindInt(1, existing->row);
    RETURN_IF_ERROR(remove.Run());
  }
  transaction_.CountRecords(item.collection->id, -1);
  ++transaction_.effects().records_written;
  return transaction_
      .Append(ChangeKind::kRecordDeleted, item.collection->id, existing->row,
              existing->id)
      .status();
}

}  // namespace

absl::Status WriteRecords(WriteTransaction& transaction,
                          absl::string_view database, const RecordBatch& batch,
                          v1::WriteResponse* response) {
  response->Clear();
  const bool keeps_response = !batch.request_id.empty();
  if (keeps_response) {
    ASSIGN_OR_RETURN(const std::optional<std::string> first,
                     FindResponse(transaction, kMethod, batch.request_id,
                                  batch.request_hash));
    if (first.has_value()) {
      return response->ParseFromString(*first)
                 ? absl::OkStatus()
                 : absl::DataLossError("a kept response cannot be read");
    }
  }
  RETURN_IF_ERROR(BatchWriter(transaction, batch, response).Write());
  response->set_position(Position{std::string(database),
                                  transaction.log().epoch(),
                                  transaction.log().head().sequence}
                             .ToString());
  if (!keeps_response) return absl::OkStatus();
  return KeepResponse(transaction, kMethod, batch.request_id,
                      batch.request_hash, response->SerializeAsString());
}

}  // namespace engram::storage
