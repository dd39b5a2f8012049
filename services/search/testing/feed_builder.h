#ifndef ENGRAM_SERVICES_SEARCH_TESTING_FEED_BUILDER_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_FEED_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/feed.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/vector/vector.h"
#include "libs/wire/wire.h"

namespace engram::search::testing {

// A collection `notes` with one vector field `text`, of two dimensions,
// compared by dot product, whose vectors are of `generation`.
inline storage::v1::Collection NotesCollection(
    int64_t generation = 1, const std::string& name = "notes") {
  storage::v1::Collection collection;
  collection.set_name(name);
  storage::v1::VectorField& field = *collection.add_vector_fields();
  field.set_name("text");
  field.set_metric(common::v1::METRIC_DOT);
  field.mutable_generation()->set_id(generation);
  field.mutable_generation()->set_model("test/model");
  field.mutable_generation()->set_fingerprint("test-fingerprint");
  field.mutable_generation()->set_dimensions(2);
  return collection;
}

// The same with a second generation of three dimensions, which does not serve,
// or the other way round.
inline storage::v1::Collection NotesOfTwoGenerations(int64_t serving) {
  storage::v1::Collection collection = NotesCollection();
  storage::v1::VectorField& field = *collection.mutable_vector_fields(0);
  storage::v1::Generation& other = *field.add_other_generations();
  other.set_id(2);
  other.set_model("test/other");
  other.set_fingerprint("other-fingerprint");
  other.set_dimensions(3);
  other.set_metric(common::v1::METRIC_COSINE);
  field.mutable_generation()->set_metric(common::v1::METRIC_DOT);
  if (serving == 1) return collection;
  field.mutable_generation()->Swap(&other);
  field.set_metric(field.generation().metric());
  return collection;
}

// The same with a field `kind`, number 1, which search holds.
inline storage::v1::Collection KindNotes() {
  storage::v1::Collection collection = NotesCollection();
  collection.set_schema(
      "collection: notes\n"
      "fields: {kind: {type: string, index: true}, body: {type: text}}\n"
      "vectors: {text: {source: [body]}}\n");
  for (const char* name : {"kind", "body"}) {
    storage::v1::Field& field = *collection.add_fields();
    field.set_name(name);
    field.set_number(collection.fields_size());
  }
  return collection;
}

// Builds a feed of collection `notes`, generation 1, as storage would send it.
class FeedBuilder {
 public:
  using Changes = google::protobuf::RepeatedPtrField<storage::v1::Change>;

  FeedBuilder& CreateNotes() { return Create(NotesCollection()); }
  FeedBuilder& Create(const storage::v1::Collection& collection) {
    *Next().mutable_collection_created() = collection;
    return *this;
  }
  FeedBuilder& Write(int64_t row, const std::string& id) {
    storage::v1::RecordChanged& record = *Next().mutable_record_changed();
    record.set_collection("notes");
    record.set_row(row);
    record.set_id(id);
    record.add_pending_generations(1);
    return *this;
  }
  // A change of a record whose text stays as it is; `expires_s` is in seconds
  // since 1970, 0 is never.
  FeedBuilder& Touch(int64_t row, const std::string& id, int64_t expires_s) {
    storage::v1::RecordChanged& record = *Next().mutable_record_changed();
    record.set_collection("notes");
    record.set_row(row);
    record.set_id(id);
    if (expires_s > 0) record.mutable_expire_time()->set_seconds(expires_s);
    return *this;
  }
  // The same, of one of KindNotes.
  FeedBuilder& Kind(int64_t row, const std::string& id,
                    const std::string& kind) {
    Touch(row, id, 0);
    storage::v1::Change& change = changes_[changes_.size() - 1];
    storage::v1::Attributes& attributes =
        *change.mutable_record_changed()->mutable_attributes();
    attributes.mutable_create_time()->set_seconds(row);
    attributes.mutable_update_time()->set_seconds(row);
    attributes.set_sequence(change.sequence());
    wire::AppendBytes(1, kind, attributes.mutable_fields());
    return *this;
  }
  FeedBuilder& ChangeCollection(const std::string& previous_name,
                                const storage::v1::Collection& collection) {
    storage::v1::CollectionChanged& changed =
        *Next().mutable_collection_changed();
    changed.set_previous_name(previous_name);
    *changed.mutable_collection() = collection;
    return *this;
  }
  FeedBuilder& DropNotes() {
    Next().mutable_collection_dropped()->set_collection("notes");
    return *this;
  }
  FeedBuilder& ClearText(int64_t row, const std::string& id) {
    storage::v1::RecordChanged& record = *Next().mutable_record_changed();
    record.set_collection("notes");
    record.set_row(row);
    record.set_id(id);
    record.add_cleared_generations(1);
    return *this;
  }
  FeedBuilder& Store(int64_t row, const std::string& id,
                     const std::vector<std::vector<float>>& chunks,
                     int64_t generation = 1) {
    storage::v1::VectorsStored& stored = *Next().mutable_vectors_stored();
    stored.set_collection("notes");
    stored.set_row(row);
    stored.set_id(id);
    stored.set_generation(generation);
    for (const std::vector<float>& chunk : chunks) {
      const absl::string_view packed = vector::Pack(chunk);
      stored.add_chunks()->set_values(packed.data(), packed.size());
    }
    return *this;
  }
  FeedBuilder& Fail(int64_t row, const std::string& id) {
    storage::v1::VectorsFailed& failed = *Next().mutable_vectors_failed();
    failed.set_collection("notes");
    failed.set_row(row);
    failed.set_id(id);
    failed.set_generation(1);
    return *this;
  }
  FeedBuilder& Delete(int64_t row, const std::string& id) {
    storage::v1::RecordDeleted& record = *Next().mutable_record_deleted();
    record.set_collection("notes");
    record.set_row(row);
    record.set_id(id);
    return *this;
  }

  // Everything so far; sequences from 1.
  const Changes& changes() const { return changes_; }

  // Those after `sequence`.
  Changes After(int64_t sequence) const {
    return Changes(changes_.begin() + sequence, changes_.end());
  }

 private:
  storage::v1::Change& Next() {
    storage::v1::Change& change = *changes_.Add();
    change.set_sequence(changes_.size());
    change.set_checksum(1000 + changes_.size());
    change.mutable_commit_time()->set_seconds(1'800'000'000 + changes_.size());
    return change;
  }

  Changes changes_;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_FEED_BUILDER_H_
