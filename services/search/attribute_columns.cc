#include "services/search/attribute_columns.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "libs/schema/record_scope.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"
#include "services/search/bytes.h"
#include "services/search/held_field.h"
#include "services/search/slot_filter.h"

namespace engram::search {
namespace {

using filter::Node;
using filter::Operator;
using schema::FieldValue;
using schema::kCreateTimePlace;
using schema::kUpdateTimePlace;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Stored: the layout of Encode. Another layout is another word.
constexpr absl::string_view kMagic = "engratt1";

absl::Status Damaged() {
  return absl::DataLossError("the attributes are damaged");
}

std::unique_ptr<AttributeColumn> ColumnOfPlace(const CollectionSchema& schema,
                                               int place) {
  return AttributeColumn::Of(place < 0 ? schema::FieldType::kTimestamp
                                       : schema.spec.fields[place].type);
}

// Where a column is in `schema`, of what was at `place` in `before`; nothing if
// it may have other values there, or none.
std::optional<int> PlaceIn(const CollectionSchema& schema,
                           const CollectionSchema& before, int place) {
  if (place < 0) return place;
  const int number = before.layout.numbers[place];
  for (const int held : schema.held) {
    if (schema.layout.numbers[held] != number) continue;
    if (!KeepsValues(before, place, schema, held)) return std::nullopt;
    return held;
  }
  return std::nullopt;
}

// The conditions that all have to be met.
void AddConjuncts(const Node& condition, std::vector<const Node*>& conjuncts) {
  if (condition.op != Operator::kAnd) {
    conjuncts.push_back(&condition);
    return;
  }
  for (const Node& operand : condition.operands) {
    AddConjuncts(operand, conjuncts);
  }
}

class AllRows final : public MatchingRows {
 public:
  bool is_exact() const override { return false; }
  bool Has(int64_t) const override { return true; }
  int64_t count() const override { return 0; }
  int64_t total() const override { return 0; }
  RowSet Rows() const override { return RowSet(); }
  // Nobody asks: a filter that asks for values is complete.
  FieldValue ValueOf(int64_t, int) const override { return FieldValue(); }
  absl::Status CountValues(int, absl::Span<const int64_t>,
                           AttributeColumn::ValueCounter) const override {
    return absl::InternalError("values that are not held are asked for");
  }
};

class SomeRows final : public MatchingRows {
 public:
  // All must outlive this object.
  SomeRows(const SlotSet& slots, bool is_exact,
           const absl::flat_hash_map<int64_t, uint32_t>& slot_of,
           const std::vector<int64_t>& row_of, const SlotSet& runs,
           ColumnOf column, Evaluation& evaluation)
      : slots_(slots),
        is_exact_(is_exact),
        slot_of_(slot_of),
        row_of_(row_of),
        runs_(runs),
        column_(column),
        evaluation_(evaluation),
        count_(slots.Count()) {}

  bool is_exact() const override { return is_exact_; }
  bool Has(int64_t row) const override {
    const auto slot = slot_of_.find(row);
    return slot != slot_of_.end() && slots_.Has(slot->second);
  }
  int64_t count() const override { return count_; }
  int64_t total() const override {
    return static_cast<int64_t>(slot_of_.size());
  }
  RowSet Rows() const override {
    RowSet rows;
    rows.Reserve(std::min<size_t>(slots_.words() + 1, 2 * count_));
    slots_.ForEachWord([&](size_t index, uint64_t word) {
      const int64_t* const rows_of_word = &row_of_[index * SlotSet::kWordBits];
      if (runs_.Has(index)) return rows.Add(*rows_of_word, word);
      for (; word != 0; word &= word - 1) {
        rows.Add(rows_of_word[std::countr_zero(word)], 1);
      }
    });
    return rows;
  }

  FieldValue ValueOf(int64_t row, int place) const override {
    const auto slot = slot_of_.find(row);
    return slot == slot_of_.end() ? FieldValue()
                                  : column_(place)->Get(slot->second);
  }

  absl::Status CountValues(int place, absl::Span<const int64_t> without,
                           AttributeColumn::ValueCounter visit) const override {
    SlotSet counted = slots_;
    for (const int64_t row : without) {
      const auto slot = slot_of_.find(row);
      if (slot != slot_of_.end()) counted.Remove(slot->second);
    }
    column_(place)->CountValues(counted, evaluation_, visit);
    if (!evaluation_.ended()) return absl::OkStatus();
    return absl::DeadlineExceededError(
        "to count the facets takes longer than the call may");
  }

 private:
  const SlotSet& slots_;
  const bool is_exact_;
  const absl::flat_hash_map<int64_t, uint32_t>& slot_of_;
  const std::vector<int64_t>& row_of_;
  const SlotSet& runs_;
  const ColumnOf column_;
  Evaluation& evaluation_;
  const int64_t count_;
};

}  // namespace

uint64_t AttributeChecksum(int64_t created_us, int64_t updated_us,
                           absl::string_view fields) {
  std::string bytes;
  AppendNumber(bytes, created_us);
  AppendNumber(bytes, updated_us);
  bytes.append(fields.data(), fields.size());
  return vector::Checksum(bytes);
}

AttributeColumns::AttributeColumns(
    std::shared_ptr<const CollectionSchema> schema)
    : schema_(std::make_shared<CollectionSchema>()) {
  ChangeSchema(std::move(schema));
}

void AttributeColumns::Apply(absl::Span<const AttributeChange> changes,
                             int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  for (const AttributeChange& change : changes) {
    switch (change.kind) {
      case AttributeChange::Kind::kPut:
        Put(change);
        break;
      case AttributeChange::Kind::kErase:
        Erase(change.row);
        break;
      case AttributeChange::Kind::kUntold:
        GiveUp();
        break;
    }
  }
  sequence_ = sequence;
}

void AttributeColumns::CompleteFrom(int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  for (auto& [place, column] : columns_) {
    column.complete_from = std::min(column.complete_from, sequence);
  }
}

void AttributeColumns::ChangeSchema(
    std::shared_ptr<const CollectionSchema> schema) {
  absl::MutexLock lock(&mutex_);
  std::map<int, Column> columns;
  if (schema->holds_attributes()) {
    for (auto& [place, column] : columns_) {
      const std::optional<int> kept = PlaceIn(*schema, *schema_, place);
      if (kept.has_value()) columns[*kept] = std::move(column);
    }
    std::vector<int> places = {kCreateTimePlace, kUpdateTimePlace};
    places.insert(places.end(), schema->held.begin(), schema->held.end());
    for (const int place : places) {
      columns.try_emplace(place, Column{.values = ColumnOfPlace(*schema, place),
                                        .complete_from = kNever});
    }
  } else {
    slots_.clear();
    rows_.clear();
    free_slots_.clear();
    live_ = SlotSet();
    runs_ = SlotSet();
  }
  columns_ = std::move(columns);
  schema_ = std::move(schema);
  is_ahead_ = false;
}

void AttributeColumns::Distrust(absl::string_view field) {
  absl::MutexLock lock(&mutex_);
  const auto column = columns_.find(schema_->spec.FieldIndex(field));
  if (column != columns_.end()) column->second.complete_from = kNever;
}

bool AttributeColumns::WantsFill() const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto times = columns_.find(kCreateTimePlace);
  if (is_ahead_ || times == columns_.end() || times->second.values == nullptr) {
    return false;
  }
  return std::any_of(columns_.begin(), columns_.end(), [](const auto& entry) {
    const Column& column = entry.second;
    return column.values != nullptr && column.complete_from == kNever;
  });
}

std::shared_ptr<const CollectionSchema> AttributeColumns::schema() const {
  absl::ReaderMutexLock lock(&mutex_);
  return schema_;
}

void AttributeColumns::Put(const AttributeChange& change) {
  const auto times = columns_.find(kCreateTimePlace);
  if (times == columns_.end() || times->second.values == nullptr) return;
  if (change.later_schema) is_ahead_ = true;
  std::map<int, FieldValue> values;
  bool is_readable = true;
  const absl::Status read =
      schema::DecodeTyped(schema_->spec, schema_->layout, change.fields,
                          [&](int place, absl::StatusOr<FieldValue> value) {
                            if (value.ok()) {
                              values[place] = *std::move(value);
                            } else {
                              is_readable = false;
                            }
                          });
  if (!is_readable || !read.ok()) {
    if (!change.later_schema) {
      log::Warning("attributes cannot be read; storage answers filters on them",
                   {{"collection", schema_->spec.name}, {"error", read}});
      return GiveUp();
    }
    // All are filled anew once that schema has come.
    for (auto& [place, column] : columns_) column.complete_from = kNever;
  }
  values[kCreateTimePlace] = change.created_us;
  values[kUpdateTimePlace] = change.updated_us;
  const uint32_t slot = SlotOf(change.row);
  for (auto& [place, column] : columns_) {
    Set(place, column, slot, values[place]);
  }
}

void AttributeColumns::Set(int place, Column& column, uint32_t slot,
                           const FieldValue& value) {
  if (column.values == nullptr || column.values->Set(slot, value)) return;
  log::Warning(
      "values are too large to be held; storage answers filters on "
      "this field",
      {{"collection", schema_->spec.name},
       {"field", schema_->spec.fields[place].name}});
  column.values = nullptr;
}

void AttributeColumns::Erase(int64_t row) {
  const auto found = slots_.find(row);
  if (found == slots_.end()) return;
  const uint32_t slot = found->second;
  for (auto& [place, column] : columns_) {
    Set(place, column, slot, FieldValue());
  }
  live_.Remove(slot);
  free_slots_.push_back(slot);
  slots_.erase(found);
}

uint32_t AttributeColumns::SlotOf(int64_t row) {
  const auto [found, added] = slots_.try_emplace(row);
  if (!added) return found->second;
  if (free_slots_.empty()) {
    found->second = static_cast<uint32_t>(rows_.size());
    const uint32_t word = found->second / SlotSet::kWordBits;
    if (found->second % SlotSet::kWordBits == 0) {
      runs_.Add(word);
    } else if (row != rows_.back() + 1) {
      runs_.Remove(word);
    }
    rows_.push_back(row);
  } else {
    found->second = free_slots_.back();
    free_slots_.pop_back();
    runs_.Remove(found->second / SlotSet::kWordBits);
    rows_[found->second] = row;
  }
  live_.Add(found->second);
  return found->second;
}

void AttributeColumns::GiveUp() {
  for (auto& [place, column] : columns_) column.values = nullptr;
  slots_.clear();
  rows_.clear();
  free_slots_.clear();
  live_ = SlotSet();
  runs_ = SlotSet();
}

bool AttributeColumns::IsKnown(const Column& column) const {
  return column.values != nullptr && column.complete_from <= sequence_;
}

bool AttributeColumns::Answers(int place) const {
  const auto column = columns_.find(place);
  return column != columns_.end() && IsKnown(column->second);
}

bool AttributeColumns::AnswersAll(const Node& condition) const {
  const std::vector<int> places = filter::PlacesUsed(condition);
  return std::all_of(places.begin(), places.end(), [this](int place) {
    mutex_.AssertReaderHeld();
    return Answers(place);
  });
}

absl::Status AttributeColumns::CheckComplete(const ReadFilter& filter) const {
  std::vector<int> places = filter.facets;
  if (filter.group.has_value()) places.push_back(*filter.group);
  if (!filter.is_complete && places.empty()) return absl::OkStatus();
  const std::vector<int> used = filter::PlacesUsed(filter.condition);
  places.insert(places.end(), used.begin(), used.end());
  // By which it is known what records there are.
  places.push_back(kCreateTimePlace);
  for (const int place : places) {
    const auto column = columns_.find(place);
    if (column == columns_.end() || column->second.values == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          "search does not hold ", NameOfPlace(*schema_, place),
          " of the records, whose values are too large (beyond 1 KiB, or 256 "
          "MiB in all) or are not told by storage; leave out what asks for "
          "them"));
    }
    if (is_ahead_ || !IsKnown(column->second)) {
      return absl::UnavailableError(absl::StrCat("search is still reading ",
                                                 NameOfPlace(*schema_, place),
                                                 " of the records; retry"));
    }
  }
  return absl::OkStatus();
}

absl::Status AttributeColumns::Find(
    const ReadFilter& filter, absl::Time now, absl::Time deadline,
    absl::FunctionRef<void(const MatchingRows&)> visit) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (filter.schema != schema_) {
    return absl::AbortedError("the collection's schema has changed");
  }
  RETURN_IF_ERROR(CheckComplete(filter));
  std::vector<const Node*> conjuncts;
  AddConjuncts(filter.condition, conjuncts);
  Node answered;
  answered.op = Operator::kAnd;
  // Which records there are is known with their times.
  if (!is_ahead_ && Answers(kCreateTimePlace)) {
    for (const Node* conjunct : conjuncts) {
      if (AnswersAll(*conjunct)) answered.operands.push_back(*conjunct);
    }
  }
  if (answered.operands.empty()) {
    visit(AllRows());
    return absl::OkStatus();
  }
  Evaluation evaluation(absl::ToUnixMicros(now), deadline);
  const auto column_of = [this](int place) {
    mutex_.AssertReaderHeld();
    return static_cast<const AttributeColumn*>(columns_.at(place).values.get());
  };
  ASSIGN_OR_RETURN(const SlotSet slots,
                   FindSlots(answered, live_, column_of, evaluation));
  visit(SomeRows(slots, answered.operands.size() == conjuncts.size(), slots_,
                 rows_, runs_, column_of, evaluation));
  return absl::OkStatus();
}

std::string AttributeColumns::FieldsOf(uint32_t slot) const {
  std::vector<FieldValue> values;
  std::vector<int> places;
  for (const int place : schema_->held) {
    const Column& column = columns_.at(place);
    if (column.values == nullptr) continue;
    places.push_back(place);
    values.push_back(column.values->Get(slot));
  }
  std::string fields;
  // They came out of such a message.
  schema::EncodeTyped(schema_->spec, schema_->layout, places,
                      absl::MakeConstSpan(values), &fields)
      .IgnoreError();
  return fields;
}

int64_t AttributeColumns::TimeOf(int place, uint32_t slot) const {
  return std::get<int64_t>(columns_.at(place).values->Get(slot));
}

std::optional<FrozenAttributes> AttributeColumns::Freeze() const {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [place, column] : columns_) {
    if (is_ahead_ || !IsKnown(column)) return std::nullopt;
  }
  FrozenAttributes frozen{.sequence = sequence_};
  frozen.checksums.reserve(slots_.size());
  for (const auto& [row, slot] : slots_) {
    frozen.checksums[row] =
        AttributeChecksum(TimeOf(kCreateTimePlace, slot),
                          TimeOf(kUpdateTimePlace, slot), FieldsOf(slot));
  }
  return frozen;
}

int64_t AttributeColumns::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return static_cast<int64_t>(slots_.size());
}

int64_t AttributeColumns::memory_bytes() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kSlotBytes = sizeof(std::pair<const int64_t, uint32_t>) + 1;
  absl::ReaderMutexLock lock(&mutex_);
  int64_t bytes = static_cast<int64_t>(
      slots_.capacity() * kSlotBytes + rows_.capacity() * sizeof(int64_t) +
      free_slots_.capacity() * sizeof(uint32_t));
  bytes += live_.memory_bytes() + runs_.memory_bytes();
  for (const auto& [place, column] : columns_) {
    if (column.values != nullptr) bytes += column.values->memory_bytes();
  }
  return bytes;
}

// What a schema has to have for the rest to be read with it.
std::string AttributeColumns::EncodeState() const {
  std::string bytes(kMagic);
  AppendNumber<uint8_t>(bytes, is_ahead_ ? 1 : 0);
  AppendNumber<uint64_t>(bytes, columns_.size());
  for (const auto& [place, column] : columns_) {
    AppendNumber<int32_t>(bytes,
                          place < 0 ? place : schema_->layout.numbers[place]);
    AppendNumber<uint8_t>(bytes, column.values == nullptr ? 1 : 0);
    AppendNumber<int64_t>(bytes, column.complete_from);
  }
  return bytes;
}

// The magic word; whether it is ahead; the columns, each its number (a time its
// place), whether it is given up, and from where it is complete; the records,
// each its row, its two times, and the held fields as a typed message. Lists
// and messages are behind their length; numbers are little-endian.
void AttributeColumns::Encode(std::string& bytes) const {
  absl::ReaderMutexLock lock(&mutex_);
  bytes += EncodeState();
  AppendNumber<uint64_t>(bytes, slots_.size());
  // In order, in which they will have their slots again.
  live_.ForEach([&](uint32_t slot) {
    mutex_.AssertReaderHeld();
    AppendNumber<int64_t>(bytes, rows_[slot]);
    AppendNumber<int64_t>(bytes, TimeOf(kCreateTimePlace, slot));
    AppendNumber<int64_t>(bytes, TimeOf(kUpdateTimePlace, slot));
    const std::string fields = FieldsOf(slot);
    AppendNumber<uint32_t>(bytes, fields.size());
    bytes += fields;
    return true;
  });
}

absl::Status AttributeColumns::Decode(absl::string_view bytes) {
  ByteReader reader(bytes);
  absl::MutexLock lock(&mutex_);
  absl::string_view magic;
  uint8_t is_ahead = 0;
  uint64_t count = 0;
  if (!reader.Read(kMagic.size(), magic) || magic != kMagic ||
      !reader.Read(is_ahead) || !reader.Read(count) ||
      count != columns_.size()) {
    return Damaged();
  }
  for (auto& [place, column] : columns_) {
    int32_t number = 0;
    uint8_t is_given_up = 0;
    if (!reader.Read(number) || !reader.Read(is_given_up) ||
        !reader.Read(column.complete_from) ||
        number != (place < 0 ? place : schema_->layout.numbers[place])) {
      return Damaged();
    }
    if (is_given_up != 0) column.values = nullptr;
  }
  if (!reader.Read(count)) return Damaged();
  for (; count > 0; --count) {
    AttributeChange change;
    uint32_t size = 0;
    if (!reader.Read(change.row) || !reader.Read(change.created_us) ||
        !reader.Read(change.updated_us) || !reader.Read(size) ||
        !reader.Read(size, change.fields) || slots_.contains(change.row)) {
      return Damaged();
    }
    Put(change);
    // Given up while it was read: it cannot be what was written.
    if (!slots_.contains(change.row)) return Damaged();
  }
  is_ahead_ = is_ahead != 0;
  return reader.left() == 0 ? absl::OkStatus() : Damaged();
}

}  // namespace engram::search
