// Changes of every record that meets a filter.
//
// A reader finds the rows, so that no scan holds the writer; the writer reads
// each of them again, leaves out what does not meet the filter any more, and
// changes the others. Up to kMaxSliceRecords (and kMaxSliceBytes) are one
// write, all or none; beyond that there are several, between which others get
// their turn. Rows ascend, and those that came into being meanwhile are left
// out, so none is seen twice even if its change makes it meet the filter again.
//
// With a request_id each slice keeps in its own transaction how far the call
// has come: a repeat goes on exactly there, or gets the first answer.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_WHERE_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_WHERE_H_

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/database.h"
#include "services/storage/where_scan.h"

namespace engram::storage {

inline constexpr int kMaxSliceRecords = 1000;
inline constexpr size_t kMaxSliceBytes = size_t{4} << 20;

// What a call may use beside the database.
struct WhereCall {
  // Work ends, between two slices or within a scan, when these are reached.
  CallBounds bounds;
  // Runs work that may take long on a thread for that; an error if it cannot.
  std::function<absl::Status(absl::AnyInvocable<void()>)> run;
};

// Both begin to work on the calling thread, which must be one for long work,
// and return at once; `done` gets what came of it, once, by any thread. The
// database, the request and the response must live until then.
//
// An error leaves the slices that were committed: its message counts their
// records.
void UpdateWhere(Database& database, const v1::UpdateWhereRequest& request,
                 v1::UpdateWhereResponse* response, WhereCall call,
                 absl::AnyInvocable<void(absl::Status)> done);
void DeleteWhere(Database& database, const v1::DeleteWhereRequest& request,
                 v1::DeleteWhereResponse* response, WhereCall call,
                 absl::AnyInvocable<void(absl::Status)> done);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_WHERE_H_
