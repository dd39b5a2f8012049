#include "services/search/database_index.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "libs/log/log.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

absl::StatusOr<Metric> MetricOf(common::v1::Metric metric) {
  switch (metric) {
    case common::v1::METRIC_UNSPECIFIED:
    case common::v1::METRIC_COSINE:
      return Metric::kCosine;
    case common::v1::METRIC_DOT:
      return Metric::kDot;
    case common::v1::METRIC_L2:
      return Metric::kL2;
    default:
      return absl::UnimplementedError(absl::StrCat(
          "metric ", static_cast<int>(metric), " is newer than this search"));
  }
}

Precision DecodePrecision(common::v1::Precision precision) {
  switch (precision) {
    case common::v1::PRECISION_FLOAT32:
      return Precision::kFloat32;
    case common::v1::PRECISION_INT8:
      return Precision::kInt8;
    case common::v1::PRECISION_INT4:
      return Precision::kInt4;
    default:
      // As much is found by one that is not known here.
      return Precision::kAuto;
  }
}

IndexKind DecodeIndexKind(common::v1::IndexKind kind) {
  switch (kind) {
    case common::v1::INDEX_KIND_FLAT:
      return IndexKind::kFlat;
    case common::v1::INDEX_KIND_HNSW:
      return IndexKind::kHnsw;
    default:
      return IndexKind::kAuto;
  }
}

absl::Status UnknownField(absl::StatusCode code, absl::string_view message,
                          absl::string_view collection) {
  return MakeError(code, common::v1::ERROR_REASON_VECTOR_FIELD_UNKNOWN, message,
                   {{"collection", collection}});
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

// When a RecordChanged says that its record expires.
absl::Time ExpiryOf(const storage::v1::RecordChanged& record) {
  return record.has_expire_time() ? TimeOf(record.expire_time())
                                  : absl::InfiniteFuture();
}

// The change that a record's `attributes` make.
AttributeChange ChangeOf(int64_t row,
                         const storage::v1::Attributes& attributes) {
  return {.row = row,
          .created_us = absl::ToUnixMicros(TimeOf(attributes.create_time())),
          .updated_us = absl::ToUnixMicros(TimeOf(attributes.update_time())),
          .fields = attributes.fields(),
          .later_schema = attributes.later_schema()};
}

// The serving one first.
std::vector<const storage::v1::Generation*> GenerationsOf(
    const storage::v1::VectorField& field) {
  std::vector<const storage::v1::Generation*> generations = {
      &field.generation()};
  for (const storage::v1::Generation& other : field.other_generations()) {
    generations.push_back(&other);
  }
  return generations;
}

absl::StatusOr<std::vector<IndexSpec>> SpecsOf(
    const storage::v1::Collection& collection) {
  std::vector<IndexSpec> specs;
  for (const storage::v1::VectorField& field : collection.vector_fields()) {
    ASSIGN_OR_RETURN(const std::vector<IndexSpec> of_field,
                     search::SpecsOf(field));
    specs.insert(specs.end(), of_field.begin(), of_field.end());
  }
  return specs;
}

// Whether a change is one of a collection itself.
bool IsSchemaChange(const storage::v1::Change& change) {
  return change.has_collection_created() || change.has_collection_changed() ||
         change.has_collection_dropped();
}

}  // namespace

absl::StatusOr<std::vector<IndexSpec>> SpecsOf(
    const storage::v1::VectorField& field) {
  std::vector<IndexSpec> specs;
  for (const storage::v1::Generation* const generation : GenerationsOf(field)) {
    // That of the serving one is the field's.
    ASSIGN_OR_RETURN(
        const Metric metric,
        MetricOf(specs.empty() ? field.metric() : generation->metric()));
    specs.push_back({.generation = generation->id(),
                     .supplied = field.supplied(),
                     .model = generation->model(),
                     .fingerprint = generation->fingerprint(),
                     .dimensions = generation->dimensions(),
                     .metric = metric});
  }
  return specs;
}

DatabaseIndex::DatabaseIndex(Position position, uint64_t checksum)
    : position_(std::move(position)), checksum_(checksum) {}

absl::Status DatabaseIndex::AddCollection(
    const storage::v1::Collection& collection) {
  ASSIGN_OR_RETURN(std::vector<IndexSpec> specs, SpecsOf(collection));
  absl::MutexLock lock(&mutex_);
  Add(collection, std::move(specs));
  return absl::OkStatus();
}

void DatabaseIndex::Add(const storage::v1::Collection& collection,
                        std::vector<IndexSpec> specs) {
  collections_[collection.name()] = collection;
  SetSchema(collection);
  for (IndexSpec& spec : specs) {
    const int64_t generation = spec.generation;
    if (indexes_.contains(generation)) continue;
    indexes_[generation] = std::make_shared<VectorIndex>(std::move(spec));
    indexes_[generation]->Apply({}, position_.sequence);
  }
  for (const storage::v1::VectorField& field : collection.vector_fields()) {
    for (const storage::v1::Generation* const generation :
         GenerationsOf(field)) {
      Index& index = *indexes_[generation->id()];
      index.SetPrecision(DecodePrecision(field.precision()));
      index.SetKind(DecodeIndexKind(field.index_kind()));
    }
  }
}

void DatabaseIndex::SetSchema(const storage::v1::Collection& collection) {
  const absl::StatusOr<std::shared_ptr<const CollectionSchema>> schema =
      ReadSchema(collection);
  std::shared_ptr<AttributeColumns>& attributes =
      attributes_[collection.name()];
  if (!schema.ok()) {
    // What is found does not depend on it.
    log::Warning(
        "a schema cannot be read; storage answers filters",
        {{"collection", collection.name()}, {"error", schema.status()}});
    attributes = nullptr;
  } else if (attributes == nullptr) {
    attributes = std::make_shared<AttributeColumns>(*schema);
    attributes->Apply({}, position_.sequence);
  } else {
    attributes->ChangeSchema(*schema);
  }
}

void DatabaseIndex::SetIndex(std::shared_ptr<Index> index) {
  const int64_t generation = index->spec().generation;
  absl::MutexLock lock(&mutex_);
  indexes_[generation] = std::move(index);
}

absl::Status DatabaseIndex::ApplySnapshot(
    const storage::v1::SnapshotRecords& part) {
  RETURN_IF_ERROR(CheckColumns(part));
  for (const storage::v1::SnapshotExpiry& expiry : part.expiries()) {
    ExpiriesOf(part.collection())
        ->Set(part.rows(expiry.record()), TimeOf(expiry.expire_time()));
  }
  Batches batches;
  for (const storage::v1::StoredVectors& stored : part.vectors()) {
    RETURN_IF_ERROR(ForEachRecord(stored, [&](int record, int64_t sequence,
                                              StoredChunks chunks) {
      return DecodePut(stored.generation(), part.rows(record), part.ids(record),
                       sequence, std::move(chunks), batches);
    }));
  }
  for (const storage::v1::PendingVector& pending : part.pending()) {
    Await(pending.generation(), part.rows(pending.record()), pending.sequence(),
          batches);
  }
  const int64_t sequence = position().sequence;
  PutAttributes(part);
  for (const auto& [generation, batch] : batches.vectors) {
    FindGeneration(generation)->Apply(batch, sequence);
  }
  return absl::OkStatus();
}

absl::Status DatabaseIndex::ApplyAttributes(
    const storage::v1::SnapshotRecords& part) {
  RETURN_IF_ERROR(CheckColumns(part));
  PutAttributes(part);
  return absl::OkStatus();
}

void DatabaseIndex::PutAttributes(const storage::v1::SnapshotRecords& part) {
  const std::shared_ptr<AttributeColumns> attributes =
      AttributesOf(part.collection());
  if (attributes == nullptr || !attributes->schema()->holds_attributes()) {
    return;
  }
  std::vector<AttributeChange> changes;
  changes.reserve(part.rows_size());
  for (int i = 0; i < part.rows_size(); ++i) {
    changes.push_back(
        part.attributes().empty()
            ? AttributeChange{.kind = AttributeChange::Kind::kUntold,
                              .row = part.rows(i)}
            : ChangeOf(part.rows(i), part.attributes(i)));
  }
  attributes->Apply(changes, position().sequence);
}

void DatabaseIndex::CompleteAttributes(absl::string_view collection,
                                       int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, attributes] : attributes_) {
    if (attributes == nullptr || (!collection.empty() && name != collection)) {
      continue;
    }
    attributes->CompleteFrom(sequence);
  }
}

std::vector<storage::v1::Collection> DatabaseIndex::WantsAttributes() const {
  std::vector<storage::v1::Collection> wanting;
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, attributes] : attributes_) {
    if (attributes != nullptr && attributes->WantsFill()) {
      wanting.push_back(collections_.at(name));
    }
  }
  return wanting;
}

absl::Status DatabaseIndex::ApplyChanges(
    const google::protobuf::RepeatedPtrField<storage::v1::Change>& changes) {
  Batches batches;
  int64_t sequence = position().sequence;
  const storage::v1::Change* last = nullptr;
  for (const storage::v1::Change& change : changes) {
    if (change.sequence() <= sequence) continue;  // Delivered before.
    if (change.sequence() != sequence + 1) {
      return absl::DataLossError(absl::StrCat(
          "the feed went from change ", sequence, " to ", change.sequence()));
    }
    // A change of a collection decides what those before and after it are
    // about, and must not be applied twice.
    if (IsSchemaChange(change) && last != nullptr) {
      Advance(std::exchange(batches, {}), *std::exchange(last, nullptr));
    }
    const absl::Status applied = IsSchemaChange(change)
                                     ? ApplySchemaChange(change)
                                     : Decode(change, batches);
    if (!applied.ok()) {
      return WithContext(applied,
                         absl::StrCat("apply change ", change.sequence()));
    }
    sequence = change.sequence();
    if (!IsSchemaChange(change)) last = &change;
  }
  if (last != nullptr) Advance(batches, *last);
  return absl::OkStatus();
}

void DatabaseIndex::Advance(const Batches& batches,
                            const storage::v1::Change& last) {
  // Attributes first, so that a filter knows every record that an index has.
  for (const auto& [name, attributes] : AllAttributes()) {
    absl::Span<const AttributeChange> batch;
    const auto found = batches.attributes.find(name);
    if (found != batches.attributes.end()) batch = found->second;
    attributes->Apply(batch, last.sequence());
  }
  for (const std::shared_ptr<Index>& index : indexes()) {
    absl::Span<const IndexChange> batch;
    const auto found = batches.vectors.find(index->spec().generation);
    if (found != batches.vectors.end()) batch = found->second;
    index->Apply(batch, last.sequence());
  }
  absl::MutexLock lock(&mutex_);
  position_.sequence = last.sequence();
  checksum_ = last.checksum();
}

absl::Status DatabaseIndex::ApplySchemaChange(
    const storage::v1::Change& change) {
  if (change.has_collection_created()) {
    const storage::v1::Collection& created = change.collection_created();
    RETURN_IF_ERROR(AddCollection(created));
    // It has no records yet.
    CompleteAttributes(created.name(), change.sequence());
    DistrustRollups(created);
  } else if (change.has_collection_changed()) {
    const storage::v1::Collection& changed =
        change.collection_changed().collection();
    RETURN_IF_ERROR(
        ChangeCollection(changed, change.collection_changed().previous_name()));
    DistrustRollups(changed);
  } else {
    DropCollection(change.collection_dropped().collection());
  }
  Advance({}, change);
  return absl::OkStatus();
}

absl::Status DatabaseIndex::ChangeCollection(
    const storage::v1::Collection& collection,
    const std::string& previous_name) {
  ASSIGN_OR_RETURN(std::vector<IndexSpec> specs, SpecsOf(collection));
  // Under one lock, so that a query finds the collection as it was or as it is:
  // this is where other vectors begin to serve.
  absl::MutexLock lock(&mutex_);
  const auto before = collections_.find(previous_name);
  if (before == collections_.end() ||
      (previous_name != collection.name() &&
       collections_.contains(collection.name()))) {
    // Two collections that trade names, for one.
    return absl::OutOfRangeError(
        absl::StrCat("collection \"", previous_name, "\" became \"",
                     collection.name(), "\", which does not fit those here"));
  }
  DropIndexes(before->second, collection);
  collections_.erase(before);
  if (previous_name != collection.name()) {
    FindExpiries(collection.name())->Take(*FindExpiries(previous_name));
    attributes_[collection.name()] =
        std::exchange(attributes_[previous_name], nullptr);
    attributes_.erase(previous_name);
  }
  Add(collection, std::move(specs));
  return absl::OkStatus();
}

void DatabaseIndex::DropCollection(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  const auto found = collections_.find(name);
  if (found == collections_.end()) return;
  DropIndexes(found->second, {});
  collections_.erase(found);
  expiries_.erase(name);
  attributes_.erase(name);
}

void DatabaseIndex::DistrustRollups(const storage::v1::Collection& child) {
  const std::shared_ptr<AttributeColumns> attributes =
      AttributesOf(child.name());
  if (attributes == nullptr) return;
  const std::shared_ptr<const CollectionSchema> schema = attributes->schema();
  for (const schema::RollupSpec& rollup : schema->spec.rollups) {
    const schema::FieldSpec* const ref = schema->spec.FindField(rollup.parent);
    const std::shared_ptr<AttributeColumns> parent =
        ref == nullptr ? nullptr : AttributesOf(ref->target);
    if (parent == nullptr) continue;
    for (const schema::RollupSpec::Set& set : rollup.set) {
      parent->Distrust(set.field);
    }
  }
}

void DatabaseIndex::DropIndexes(const storage::v1::Collection& of,
                                const storage::v1::Collection& except) {
  absl::flat_hash_set<int64_t> kept;
  for (const storage::v1::VectorField& field : except.vector_fields()) {
    for (const auto* generation : GenerationsOf(field)) {
      kept.insert(generation->id());
    }
  }
  for (const storage::v1::VectorField& field : of.vector_fields()) {
    for (const auto* generation : GenerationsOf(field)) {
      if (!kept.contains(generation->id())) indexes_.erase(generation->id());
    }
  }
}

absl::Status DatabaseIndex::Decode(const storage::v1::Change& change,
                                   Batches& batches) {
  const int64_t sequence = change.sequence();
  switch (change.change_case()) {
    case storage::v1::Change::kRecordChanged:
      DecodeRecord(change.record_changed(), sequence, batches);
      return absl::OkStatus();
    case storage::v1::Change::kRecordDeleted: {
      const storage::v1::RecordDeleted& record = change.record_deleted();
      for (const int64_t generation : AllGenerationsOf(record.collection())) {
        batches.vectors[generation].push_back(
            {.kind = IndexChange::Kind::kDeleteRecord,
             .row = record.row(),
             .sequence = sequence});
      }
      ExpiriesOf(record.collection())->Erase(record.row());
      batches.attributes[record.collection()].push_back(
          {.kind = AttributeChange::Kind::kErase, .row = record.row()});
      return absl::OkStatus();
    }
    case storage::v1::Change::kVectorsStored: {
      const storage::v1::VectorsStored& stored = change.vectors_stored();
      return DecodePut(stored.generation(), stored.row(), stored.id(), sequence,
                       ChunksOf(stored), batches);
    }
    case storage::v1::Change::kVectorsFailed: {
      const storage::v1::VectorsFailed& failed = change.vectors_failed();
      batches.vectors[failed.generation()].push_back(
          {.kind = IndexChange::Kind::kClearVectors,
           .row = failed.row(),
           .sequence = sequence});
      return absl::OkStatus();
    }
    default:
      // To pass over what a newer storage says would leave the index wrong.
      return absl::UnimplementedError(
          "a kind of change that is not known here");
  }
}

void DatabaseIndex::DecodeRecord(const storage::v1::RecordChanged& record,
                                 int64_t sequence, Batches& batches) {
  for (const int64_t generation : record.pending_generations()) {
    Await(generation, record.row(), sequence, batches);
  }
  for (const int64_t generation : record.cleared_generations()) {
    batches.vectors[generation].push_back(
        {.kind = IndexChange::Kind::kClearVectors,
         .row = record.row(),
         .sequence = sequence});
  }
  ExpiriesOf(record.collection())->Set(record.row(), ExpiryOf(record));
  // Without any, the record is gone by now, which a later change says.
  if (record.has_attributes()) {
    batches.attributes[record.collection()].push_back(
        ChangeOf(record.row(), record.attributes()));
  }
}

absl::Status DatabaseIndex::DecodePut(int64_t generation, int64_t row,
                                      absl::string_view id, int64_t sequence,
                                      StoredChunks chunks,
                                      Batches& batches) const {
  const std::shared_ptr<Index> index = FindGeneration(generation);
  if (index == nullptr) return absl::OkStatus();
  IndexChange put{.kind = IndexChange::Kind::kPutVectors,
                  .row = row,
                  .sequence = sequence,
                  .id = id};
  const size_t wanted = index->spec().dimensions * sizeof(float);
  for (const absl::string_view vector : chunks.vectors) {
    if (vector.size() != wanted) {
      return absl::DataLossError(absl::StrCat(
          "record \"", id, "\": a vector has ", vector.size() / sizeof(float),
          " values, the index wants ", index->spec().dimensions));
    }
  }
  if (chunks.vectors.size() > kMaxChunks) {
    return absl::DataLossError(absl::StrCat("record \"", id, "\" has ",
                                            chunks.vectors.size(), " chunks"));
  }
  if (!chunks.passages.empty() &&
      chunks.passages.size() != chunks.vectors.size()) {
    return absl::DataLossError(absl::StrCat(
        "record \"", id, "\" has ", chunks.vectors.size(), " chunks and ",
        chunks.passages.size(), " places for them"));
  }
  put.chunks = std::move(chunks.vectors);
  put.passages = std::move(chunks.passages);
  batches.vectors[generation].push_back(std::move(put));
  return absl::OkStatus();
}

void DatabaseIndex::Await(int64_t generation, int64_t row, int64_t sequence,
                          Batches& batches) const {
  if (FindGeneration(generation) == nullptr) return;
  batches.vectors[generation].push_back(
      {.kind = IndexChange::Kind::kAwaitVectors,
       .row = row,
       .sequence = sequence});
}

absl::StatusOr<std::shared_ptr<Index>> DatabaseIndex::Find(
    absl::string_view collection, absl::string_view vector_field) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = collections_.find(std::string(collection));
  if (found == collections_.end()) {
    return MakeError(
        absl::StatusCode::kNotFound,
        common::v1::ERROR_REASON_COLLECTION_UNKNOWN,
        absl::StrCat("database \"", position_.database,
                     "\" has no collection \"", collection, "\""),
        {{"database", position_.database}, {"collection", collection}});
  }
  std::vector<std::string> names;
  for (const storage::v1::VectorField& field : found->second.vector_fields()) {
    if (field.name() == vector_field ||
        (vector_field.empty() && found->second.vector_fields_size() == 1)) {
      return indexes_.at(field.generation().id());
    }
    names.push_back(field.name());
  }
  if (names.empty()) {
    return UnknownField(absl::StatusCode::kNotFound,
                        absl::StrCat("collection \"", collection,
                                     "\" declares no vector field, so it "
                                     "cannot be searched by meaning"),
                        collection);
  }
  const std::string choice = absl::StrJoin(names, ", ");
  return vector_field.empty()
             ? UnknownField(
                   absl::StatusCode::kInvalidArgument,
                   absl::StrCat("vector_field: collection \"", collection,
                                "\" has several; name one "
                                "of ",
                                choice),
                   collection)
             : UnknownField(absl::StatusCode::kNotFound,
                            absl::StrCat("collection \"", collection,
                                         "\" has no vector field \"",
                                         vector_field, "\"; it has ", choice),
                            collection);
}

Position DatabaseIndex::position() const {
  absl::ReaderMutexLock lock(&mutex_);
  return position_;
}

uint64_t DatabaseIndex::checksum() const {
  absl::ReaderMutexLock lock(&mutex_);
  return checksum_;
}

std::vector<storage::v1::Collection> DatabaseIndex::collections() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<storage::v1::Collection> collections;
  for (const auto& [name, collection] : collections_) {
    collections.push_back(collection);
  }
  return collections;
}

std::vector<std::shared_ptr<Index>> DatabaseIndex::indexes() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Index>> indexes;
  for (const auto& [generation, index] : indexes_) indexes.push_back(index);
  return indexes;
}

IndexName DatabaseIndex::NameOf(int64_t generation) const {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, collection] : collections_) {
    for (const storage::v1::VectorField& field : collection.vector_fields()) {
      for (const auto* known : GenerationsOf(field)) {
        if (known->id() == generation) return {name, field.name()};
      }
    }
  }
  return {};
}

bool DatabaseIndex::Serves(int64_t generation) const {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, collection] : collections_) {
    for (const storage::v1::VectorField& field : collection.vector_fields()) {
      if (field.generation().id() == generation) return true;
    }
  }
  return false;
}

std::shared_ptr<AttributeColumns> DatabaseIndex::AttributesOf(
    absl::string_view collection) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = attributes_.find(collection);
  return found == attributes_.end() ? nullptr : found->second;
}

std::vector<std::pair<std::string, std::shared_ptr<AttributeColumns>>>
DatabaseIndex::AllAttributes() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::pair<std::string, std::shared_ptr<AttributeColumns>>> all;
  for (const auto& [name, attributes] : attributes_) {
    if (attributes != nullptr) all.emplace_back(name, attributes);
  }
  return all;
}

std::shared_ptr<ExpiryTable> DatabaseIndex::ExpiriesOf(
    absl::string_view collection) const {
  absl::MutexLock lock(&mutex_);
  return FindExpiries(collection);
}

std::shared_ptr<ExpiryTable>& DatabaseIndex::FindExpiries(
    absl::string_view collection) const {
  std::shared_ptr<ExpiryTable>& table = expiries_[std::string(collection)];
  if (table == nullptr) table = std::make_shared<ExpiryTable>();
  return table;
}

std::vector<int64_t> DatabaseIndex::AllGenerationsOf(
    absl::string_view collection) const {
  std::vector<int64_t> generations;
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = collections_.find(std::string(collection));
  if (found == collections_.end()) return generations;
  for (const storage::v1::VectorField& field : found->second.vector_fields()) {
    for (const auto* generation : GenerationsOf(field)) {
      generations.push_back(generation->id());
    }
  }
  return generations;
}

std::shared_ptr<Index> DatabaseIndex::FindGeneration(int64_t generation) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = indexes_.find(generation);
  return found == indexes_.end() ? nullptr : found->second;
}

int64_t DatabaseIndex::memory_bytes() const {
  int64_t bytes = 0;
  for (const std::shared_ptr<Index>& index : indexes()) {
    bytes += index->Stats().memory.total();
  }
  for (const auto& [name, attributes] : AllAttributes()) {
    bytes += attributes->memory_bytes();
  }
  return bytes;
}

PositionWaiters::Reached DatabaseIndex::Reached() const {
  // The position first: an index may be ahead of it, and must not be behind.
  const int64_t applied = position().sequence;
  PositionWaiters::Reached reached{{PositionWaiters::kApplied, applied}};
  int64_t all = applied;
  for (const std::shared_ptr<Index>& index : indexes()) {
    const int64_t findable = index->Stats().findable_sequence;
    reached[index->spec().generation] = findable;
    // Nobody's query waits for vectors of a generation that does not serve.
    if (Serves(index->spec().generation)) all = std::min(all, findable);
  }
  reached[PositionWaiters::kAllIndexes] = all;
  return reached;
}

}  // namespace engram::search
