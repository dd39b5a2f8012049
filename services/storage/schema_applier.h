#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/common/v1/model.pb.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/schema/collection_spec.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// A schema document, read.
struct DeclaredCollection {
  schema::CollectionSpec spec;
  std::string yaml;
};

// What a schema became.
struct AppliedSchema {
  // One for each document, in their order.
  std::vector<CollectionPtr> collections;
  // Those of them that did not exist before.
  std::vector<CollectionPtr> created;
  // All there are.
  std::vector<CollectionPtr> all;
};

// Reads the documents. `InvalidArgument` naming document, line and column of
// every mistake.
absl::StatusOr<std::vector<DeclaredCollection>> DecodeSchema(
    const v1::ApplySchemaRequest& request);

// Creates the collections that do not exist yet, within `transaction`, their
// vectors' models resolved among `models`. `FailedPrecondition`, reason
// `SCHEMA_CHANGED`, if one exists with another schema; `MODEL_UNKNOWN` if a
// model is not registered.
absl::Status ApplySchema(WriteTransaction& transaction,
                         const std::vector<DeclaredCollection>& declared,
                         const std::vector<common::v1::Model>& models,
                         AppliedSchema* applied);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_APPLIER_H_
