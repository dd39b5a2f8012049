#ifndef ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

inline constexpr int kMaxWriteItems = 10'000;

// One change of one record, checked against the schema.
struct RecordItem {
  enum class Action { kUpsert, kDelete };

  CollectionPtr collection;
  Action action = Action::kUpsert;
  // Empty in an upsert that finds its record by a unique key, or makes one.
  std::string id;
  // The fields that were sent: places in CollectionSpec::fields, sorted.
  std::vector<int> sent;
  // What a new record would hold: what was sent, then the defaults.
  std::vector<ColumnValue> values;
  // Whether a new record would have all that is required.
  bool complete = true;
};

// What one Write call wants, all or nothing.
struct RecordBatch {
  std::vector<RecordItem> items;
  // Empty if a repeat need not be recognised.
  std::string request_id;
  // SHA-256 of the request, if it has an id.
  std::string request_hash;
};

// Reads and checks a request. `NotFound` for an unknown collection, else
// `InvalidArgument` with every broken rule of every item.
absl::StatusOr<RecordBatch> DecodeBatch(absl::string_view database,
                                        const Catalog& catalog,
                                        const v1::WriteRequest& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_BATCH_H_
