#ifndef ENGRAM_SERVICES_STORAGE_CACHE_SETTER_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_SETTER_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "engram/storage/v1/cache.pb.h"
#include "services/storage/database.h"
#include "services/storage/record_where.h"

namespace engram::storage {

// Stores an entry through the ordinary path of writes, as a replace, so that
// changes, expiry, full text and vectors are what they are for any record. What
// the cache then has beyond Database::Options::max_cache_bytes goes in the same
// transaction, down to nine tenths, at most kMaxEvictedEntries.
//
// Applies the schema of the default cache first if that has no collection, and
// counts its bytes if they are not known: only then is `call.run` used. Begins
// on the calling thread and returns at once; `done` gets what came of it, once,
// by any thread. Database, request and response must live until then.
void SetCacheEntry(Database& database, const v1::SetRequest& request,
                   v1::SetResponse* response, WhereCall call,
                   absl::AnyInvocable<void(absl::Status)> done);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_SETTER_H_
