#ifndef ENGRAM_SERVICES_STORAGE_RECORD_ITEM_DECODER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_ITEM_DECODER_H_

#include "engram/storage/v1/record.pb.h"
#include "libs/status/errors.h"
#include "services/storage/record_batch.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {

// Reads one item of a request; its collection and index are set already. Every
// broken rule is a violation, after which what is read is of no use.
void DecodeItem(const WritableCollection& target, const v1::WriteItem& sent,
                RecordItem& item, FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_ITEM_DECODER_H_
