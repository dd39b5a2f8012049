#include "services/storage/change_encoder.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_attributes.h"
#include "services/storage/schema_history.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// The next change of a collection's schema, and so perhaps of its name, after a
// change. Kinds 5 and 6 are kCollectionChanged, whose payload is the name
// before it, and kCollectionDropped.
constexpr absl::string_view kSelectNextNaming = R"sql(
SELECT kind, id, payload, sequence FROM _changes
WHERE collection = ? AND sequence > ? AND kind IN (5, 6)
ORDER BY sequence LIMIT 1)sql";

// There is no such change.
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

absl::Status Unreadable(const Change& change) {
  return absl::DataLossError(
      absl::StrCat("change ", change.sequence, " cannot be read"));
}

// Of the payload, which holds the rest.
template <typename Message>
absl::Status FillPlace(const Change& change, const std::string& collection,
                       Message* out) {
  if (!out->ParseFromString(change.payload)) return Unreadable(change);
  out->set_collection(collection);
  out->set_row(change.row);
  out->set_id(change.id);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> ChangeEncoder::Encode(const Change& change,
                                           v1::WatchChangesResponse& response) {
  if ((change.kind == ChangeKind::kVectorsStored ||
       change.kind == ChangeKind::kVectorsFailed) &&
      scope_.view != FeedScope::View::kIndex) {
    return false;
  }
  ASSIGN_OR_RETURN(const Known* const known, Find(change));
  if (!IsWanted(change, *known)) return false;
  v1::Change* const out = response.add_changes();
  out->set_sequence(change.sequence);
  out->set_checksum(change.checksum);
  *out->mutable_commit_time() =
      TimeUtil::MicrosecondsToTimestamp(change.committed_us);
  RETURN_IF_ERROR(Fill(change, *known, out));
  return true;
}

// Followers learn of names in the order of the changes: so each change tells
// the name that its collection had right after it.
absl::StatusOr<const ChangeEncoder::Known*> ChangeEncoder::Find(
    const Change& change) {
  Known& known = known_[change.collection];
  if (change.sequence < known.until) return &known;
  ASSIGN_OR_RETURN(known.collection, view_.FindById(change.collection));
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   view_.connection().Cached(kSelectNextNaming));
  select.BindInt(1, change.collection);
  select.BindInt(2, change.sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) {
    known.name =
        known.collection == nullptr ? change.id : known.collection->name();
    known.until = kNever;
    return &known;
  }
  const auto kind = static_cast<ChangeKind>(select.Int(0));
  known.name = kind == ChangeKind::kCollectionDropped
                   ? std::string(select.Text(1))
                   : std::string(select.Blob(2));
  known.until = select.Int(3);
  return &known;
}

bool ChangeEncoder::IsWanted(const Change& change, const Known& known) const {
  switch (change.kind) {
    case ChangeKind::kCollectionChanged:
      // Also for those who knew it by the name before.
      return scope_.Includes(change.id) || scope_.Includes(change.payload);
    case ChangeKind::kCollectionDropped:
      return scope_.Includes(change.id);
    default:
      return scope_.Includes(known.name);
  }
}

absl::Status ChangeEncoder::Fill(const Change& change, const Known& known,
                                 v1::Change* out) {
  switch (change.kind) {
    case ChangeKind::kCollectionCreated:
      return FillCollection(change, known, known.name,
                            out->mutable_collection_created());
    case ChangeKind::kRecordChanged:
      return FillRecordChanged(change, known, out->mutable_record_changed());
    case ChangeKind::kRecordDeleted:
      return FillRecordDeleted(change, known, out->mutable_record_deleted());
    case ChangeKind::kVectorsStored:
      return FillVectors(change, known, out->mutable_vectors_stored());
    case ChangeKind::kVectorsFailed:
      return FillPlace(change, known.name, out->mutable_vectors_failed());
    case ChangeKind::kCollectionChanged:
      out->mutable_collection_changed()->set_previous_name(change.payload);
      return FillCollection(
          change, known, change.id,
          out->mutable_collection_changed()->mutable_collection());
    case ChangeKind::kCollectionDropped:
      out->mutable_collection_dropped()->set_collection(change.id);
      return absl::OkStatus();
  }
  return Unreadable(change);
}

// As it was right after the change, so that a follower never hears of what is
// ahead of it: that other vectors serve, before it has them. What a file from
// before 0006_generations.sql does not tell is filled in as it is now.
absl::Status ChangeEncoder::FillCollection(const Change& change,
                                           const Known& known,
                                           const std::string& name,
                                           v1::Collection* out) {
  ASSIGN_OR_RETURN(std::optional<v1::Collection> then,
                   ReadCollectionAsOf(view_.connection(), change.collection,
                                      change.sequence));
  if (then.has_value()) {
    *out = *std::move(then);
  } else if (known.collection != nullptr) {
    *out = ToProto(*known.collection);
  }
  out->set_name(name);
  return absl::OkStatus();
}

absl::Status ChangeEncoder::FillRecordChanged(const Change& change,
                                              const Known& known,
                                              v1::RecordChanged* out) {
  RETURN_IF_ERROR(FillPlace(change, known.name, out));
  if (scope_.view == FeedScope::View::kIndex) {
    return FillAttributes(change, known, out);
  }
  out->clear_pending_generations();
  out->clear_cleared_generations();
  if (scope_.view == FeedScope::View::kAttributes) {
    return FillAttributes(change, known, out);
  }
  if (known.collection == nullptr) return absl::OkStatus();
  const Collection& collection = *known.collection;
  ASSIGN_OR_RETURN(
      const bool had_before,
      records_.ReadBefore(collection, change, out->mutable_before()));
  if (!had_before) out->clear_before();
  ASSIGN_OR_RETURN(
      const bool has_after,
      records_.ReadAfter(collection, change, out->mutable_after()));
  if (!has_after) out->clear_after();
  return absl::OkStatus();
}

// As they are now, a later change's included: that brings them again, and
// whoever waits for this one must not miss the record for it.
absl::Status ChangeEncoder::FillAttributes(const Change& change,
                                           const Known& known,
                                           v1::RecordChanged* out) {
  if (known.collection == nullptr || known.collection->held.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const bool found,
                   ReadAttributes(view_.connection(), *known.collection,
                                  change.row, out->mutable_attributes()));
  if (!found) {
    out->clear_attributes();
  } else if (known.until != kNever) {
    out->mutable_attributes()->set_later_schema(true);
  }
  return absl::OkStatus();
}

absl::Status ChangeEncoder::FillRecordDeleted(const Change& change,
                                              const Known& known,
                                              v1::RecordDeleted* out) {
  RETURN_IF_ERROR(FillPlace(change, known.name, out));
  if (scope_.view != FeedScope::View::kRecord || known.collection == nullptr) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const bool had_before,
      records_.ReadBefore(*known.collection, change, out->mutable_before()));
  if (!had_before) out->clear_before();
  return absl::OkStatus();
}

absl::Status ChangeEncoder::FillVectors(const Change& change,
                                        const Known& known,
                                        v1::VectorsStored* out) {
  RETURN_IF_ERROR(FillPlace(change, known.name, out));
  const Generation* const generation =
      known.collection == nullptr
          ? nullptr
          : FindGeneration(*known.collection, out->generation());
  // Gone with its generation.
  if (generation == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   view_.connection().Cached(generation->select));
  select.BindInt(1, VectorKey(change.row, 0));
  select.BindInt(2, VectorKey(change.row, kMaxChunks - 1));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    // Those of a later change come with it.
    if (!found || select.Int(0) != change.sequence) return absl::OkStatus();
    const absl::string_view vector = select.Blob(1);
    out->add_chunks()->set_values(vector.data(), vector.size());
    if (!generation->chunked) continue;
    common::v1::TextRange& range = *out->add_ranges();
    range.set_begin(select.Int(2));
    range.set_end(select.Int(3));
  }
}

}  // namespace engram::storage
