// What search holds of a record beside its vectors.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_ATTRIBUTES_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_ATTRIBUTES_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// Encodes the attributes that `row` holds from `column` on: _created_us,
// _updated_us, and Collection::held. A value that the field cannot have, which
// another hand put into the file, is left out.
void EncodeAttributes(const Collection& collection,
                      const sqlite::Statement& row, int column,
                      v1::Attributes* attributes);

// Reads those of a record as they are now, with their sequence. False if it is
// gone, or deleted.
absl::StatusOr<bool> ReadAttributes(sqlite::Connection& connection,
                                    const Collection& collection, int64_t row,
                                    v1::Attributes* attributes);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_ATTRIBUTES_H_
