#ifndef ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/record_batch.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// Writes the records, the outbox entries of texts that changed, and the
// changes, within `transaction`; a repeated request gets its first answer and
// writes nothing. May be run again if the transaction was rolled back.
//
// An upsert finds its record by id and by each unique key; if these are
// different ones it is `AlreadyExists`, reason `UNIQUE_KEY_TAKEN`. Every upsert
// of a record is a change and makes a new version, even where it sends what the
// record holds already; only a changed text is embedded again.
absl::Status WriteRecords(WriteTransaction& transaction,
                          absl::string_view database, const RecordBatch& batch,
                          v1::WriteResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_WRITER_H_
