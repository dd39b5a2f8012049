// What requests that change many records have in common.

#ifndef ENGRAM_SERVICES_STORAGE_WHERE_FILTER_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_FILTER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/collection_spec.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The collection that the request names in its field `collection`.
absl::StatusOr<CollectionPtr> FindCollection(absl::string_view database,
                                             const Catalog& catalog,
                                             const std::string& name);

// Reads the request's filter, which it must have: who forgets it must not
// change all there is. After a violation what is returned is of no use.
filter::Node DecodeWhereFilter(const schema::CollectionSpec& spec,
                               absl::string_view text,
                               filter::SharedParameters& parameters,
                               FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_FILTER_H_
