#ifndef ENGRAM_SERVICES_STORAGE_TESTING_COLLECTIONS_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_COLLECTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/struct.pb.h"
#include "services/storage/catalog.h"

namespace engram::storage::testing {

// Makes collections of schema documents, compiled as an apply would, but of no
// database. Aborts if a document is not good. Fields are numbered from 1,
// generations have the `dimensions` of the document.
std::vector<CollectionPtr> MakeCollections(
    const std::vector<std::string>& documents);

// Path and problem of each field that `status` reports.
std::vector<std::pair<std::string, std::string>> ViolationsOf(
    const absl::Status& status);

// Reads a Struct from JSON. Aborts if it is none.
google::protobuf::Struct StructOf(const std::string& json);

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_COLLECTIONS_H_
