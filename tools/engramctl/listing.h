// What several commands list.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_LISTING_H_
#define ENGRAM_TOOLS_ENGRAMCTL_LISTING_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/database.pb.h"
#include "tools/engramctl/connection.h"
#include "tools/engramctl/console.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {

// Every database, by name.
absl::StatusOr<std::vector<storage::v1::Database>> FetchDatabases(
    Connection& connection);

// Every collection of a database, by name.
absl::StatusOr<std::vector<storage::v1::Collection>> FetchCollections(
    Connection& connection, const std::string& database);

// Prints the table, its header in bold.
void PrintTable(const Console& console, const Table& table);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_LISTING_H_
