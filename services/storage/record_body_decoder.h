// What a request gives a record's fields: bodies, masks and supplied vectors.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_BODY_DECODER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_BODY_DECODER_H_

#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/struct.pb.h"
#include "libs/status/errors.h"
#include "services/storage/record_batch.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {

// Reads the fields of a body into `item.sent`, whose action and index are set,
// and checks each value. After a violation what is read is of no use.
void DecodeFields(const WritableCollection& target,
                  const google::protobuf::Struct& fields, RecordItem& item,
                  FieldViolations& violations);

// The same for a body in either form; sets `item.typed`.
void DecodeBody(const WritableCollection& target, const v1::Record& record,
                RecordItem& item, FieldViolations& violations);

// Adds to `item.sent`, which DecodeBody filled, a null for each field of the
// mask that was not sent. A field that was sent and is not in the mask is a
// violation, as is a path that is no field.
void ApplyMask(const WritableCollection& target,
               const google::protobuf::FieldMask& mask, RecordItem& item,
               FieldViolations& violations);

// Reads the vectors that the client brings, and makes those whose metric is
// cosine of unit length.
void DecodeVectors(const WritableCollection& target, const v1::Record& record,
                   RecordItem& item, FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_BODY_DECODER_H_
