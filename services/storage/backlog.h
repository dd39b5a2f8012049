#ifndef ENGRAM_SERVICES_STORAGE_BACKLOG_H_
#define ENGRAM_SERVICES_STORAGE_BACKLOG_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/storage/database.h"
#include "services/storage/embedding_pauses.h"

namespace engram::storage {

// Adds what waits for each vector field of a database that is embedded, in the
// order of the names. Takes time only for texts that wait or failed.
absl::Status ReadBacklog(Database& database,
                         absl::Span<const EmbeddingPause> pauses,
                         absl::Time now, v1::GetBacklogResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_BACKLOG_H_
