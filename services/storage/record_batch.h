#ifndef ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/filter/filter.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

inline constexpr int kMaxWriteItems = 10'000;
// Of one item.
inline constexpr int kMaxTransforms = 100;

// A change computed from what the record holds; see v1.Transform.
struct FieldTransform {
  enum class Kind {
    kIncrement,
    kMax,
    kMin,
    kAppend,
    kAppendUnique,
    kRemove,
    kSetNow,
    kSetIfAbsent,
    kExpression,
  };

  // The field's place in CollectionSpec::fields.
  int field = 0;
  Kind kind = Kind::kIncrement;
  // kIncrement, kMax, kMin, kSetIfAbsent.
  ColumnValue value;
  // kAppend, kAppendUnique, kRemove: each as compact JSON (json::AppendJson).
  std::vector<std::string> elements;
  // kAppend, kAppendUnique; 0 keeps all.
  int keep_last = 0;
  // kSetNow.
  bool if_absent = false;
  // kExpression.
  std::optional<filter::Node> expression;
};

// What a record must be; see v1.Condition.
struct WriteCondition {
  std::optional<int64_t> version;
  std::optional<filter::Node> filter;
  // The filter as written, for messages.
  std::string text;
};

// Vectors that the client brings for one field.
struct SuppliedVectors {
  // The place in Collection::vectors.
  int field = 0;
  // Little-endian float32, checked and, where the metric is cosine, normalised;
  // one for each chunk.
  std::vector<std::string> chunks;
};

// One change of one record, checked against the schema as far as that can be
// done without the record.
struct RecordItem {
  enum class Action { kCreate, kUpsert, kReplace, kUpdate, kDelete, kRestore };

  CollectionPtr collection;
  Action action = Action::kUpsert;
  // The item's place in the request; -1 for what a where-write does to each
  // record.
  int index = -1;
  // The body was a typed one.
  bool typed = false;
  // Empty where Engram finds the record by a unique key, or makes an id.
  std::string id;
  // The fields that were sent, or named by the mask, in the order of the
  // schema.
  std::vector<Assignment> sent;
  std::vector<FieldTransform> transforms;
  std::vector<SuppliedVectors> vectors;
  WriteCondition condition;
  // Of a delete.
  bool purge = false;
  // Of a restore.
  int64_t version = 0;
  // Of a replace: the fields that keep what they hold, as roll-ups keep them.
  std::vector<int> kept;
  // Why the item cannot be done; only in a batch that is not atomic.
  absl::Status error;

  // Where something of the item is in the request, for violations:
  // `items[3].transforms[0]`; without `items[3].` in a where-write.
  std::string PathOf(absl::string_view part) const;
  // Where the fields are: `items[3].upsert.fields`. Violations add a dot and
  // the field's name.
  std::string FieldsPath() const;
};

// The action's name in requests, such as `upsert`.
absl::string_view ActionName(RecordItem::Action action);

// What one Write call wants.
struct RecordBatch {
  std::vector<RecordItem> items;
  // All or nothing; else each item for itself.
  bool atomic = true;
  // The schema that the items were checked against.
  int64_t schema_version = 0;
  // Empty if a repeat need not be recognised.
  std::string request_id;
  // SHA-256 of the request, if it has an id.
  std::string request_hash;
};

// Reads and checks a request. `NotFound` for an unknown collection, else
// `InvalidArgument` with every broken rule of every item; in a batch that is
// not atomic these are the items' own errors.
absl::StatusOr<RecordBatch> DecodeBatch(absl::string_view database,
                                        const Catalog& catalog,
                                        const v1::WriteRequest& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_
