#ifndef ENGRAM_SERVICES_STORAGE_TEXT_SEARCH_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_SEARCH_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// What RecordService.SearchText does; the proto says what it promises.
//
// First the index ranks what meets query and filter, then the page's records
// are read, and only those, from the same state of the file. A page after the
// first begins behind the last record's score and id: exact while nothing is
// written; a write changes all scores a little, so that a record near the seam
// may come twice or not at all.
absl::Status SearchText(Database& database,
                        const v1::SearchTextRequest& request,
                        const CallBounds& bounds,
                        v1::SearchTextResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_SEARCH_H_
