#ifndef ENGRAM_SERVICES_STORAGE_TRANSFORM_DECODER_H_
#define ENGRAM_SERVICES_STORAGE_TRANSFORM_DECODER_H_

#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/filter.h"
#include "libs/status/errors.h"
#include "services/storage/record_batch.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {

// Gives the parameters that a text of the filter language uses, of those that
// the request has for all its texts.
using ParametersOf =
    absl::FunctionRef<google::protobuf::Struct(absl::string_view text)>;

// Reads transforms into `item.transforms` and checks that each one's operation,
// value and result are of a kind that its field has.
void DecodeTransforms(
    const WritableCollection& target,
    const google::protobuf::RepeatedPtrField<v1::Transform>& transforms,
    ParametersOf parameters, RecordItem& item, FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TRANSFORM_DECODER_H_
