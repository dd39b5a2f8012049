#ifndef ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_

#include "absl/status/status.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/database.h"
#include "services/storage/record_batch.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Writes a batch within `transaction`, a write of `database`: records, outbox
// entries, changes, and what a repeat of the request needs. The batch was
// checked against the schema that `transaction` has.
//
// An error leaves the transaction half done. Broken rules that only the records
// show are reported together, those of all items. A repeat of a request_id
// writes nothing and returns the first answer.
absl::Status WriteRecords(WriteTransaction& transaction, Database& database,
                          const RecordBatch& batch,
                          v1::WriteResponse* response);

// Decodes the request first if the schema has changed since `batch` was made of
// it, and then does the same.
absl::Status WriteRequest(WriteTransaction& transaction, Database& database,
                          const v1::WriteRequest& request, RecordBatch& batch,
                          v1::WriteResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_
