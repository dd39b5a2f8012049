#ifndef ENGRAM_SERVICES_STORAGE_CHANGE_ENCODER_H_
#define ENGRAM_SERVICES_STORAGE_CHANGE_ENCODER_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/storage/change_log.h"
#include "services/storage/database.h"
#include "services/storage/feed_records.h"
#include "services/storage/feed_scope.h"

namespace engram::storage {

// Turns entries of the change log, in their order, into messages for one
// follower. For use during one read.
class ChangeEncoder {
 public:
  // Both must outlive this object.
  ChangeEncoder(ReadView& view, const FeedScope& scope)
      : view_(view), scope_(scope), records_(view.connection(), scope.body) {}

  // Adds the change to `response`; false if it is not for this follower.
  absl::StatusOr<bool> Encode(const Change& change,
                              v1::WatchChangesResponse& response);

 private:
  // A collection as changes before `until` have to tell of it.
  struct Known {
    // As it is now; null if it has been dropped since.
    CollectionPtr collection;
    // What it was called then.
    std::string name;
    int64_t until = 0;
  };

  absl::StatusOr<const Known*> Find(const Change& change);
  bool IsWanted(const Change& change, const Known& known) const;
  absl::Status Fill(const Change& change, const Known& known, v1::Change* out);
  absl::Status FillCollection(const Change& change, const Known& known,
                              const std::string& name, v1::Collection* out);
  absl::Status FillAttributes(const Change& change, const Known& known,
                              v1::RecordChanged* out);
  absl::Status FillRecordChanged(const Change& change, const Known& known,
                                 v1::RecordChanged* out);
  absl::Status FillRecordDeleted(const Change& change, const Known& known,
                                 v1::RecordDeleted* out);
  absl::Status FillVectors(const Change& change, const Known& known,
                           v1::VectorsStored* out);

  ReadView& view_;
  const FeedScope& scope_;
  FeedRecords records_;
  // By id.
  absl::flat_hash_map<int64_t, Known> known_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CHANGE_ENCODER_H_
