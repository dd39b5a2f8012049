#include "tools/engramctl/listing.h"

#include <ostream>

#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {

using storage::v1::CatalogService;
using storage::v1::Collection;
using storage::v1::Database;
using storage::v1::DatabaseService;

absl::StatusOr<std::vector<Database>> FetchDatabases(Connection& connection) {
  std::vector<Database> databases;
  storage::v1::DatabaseServiceListRequest request;
  request.set_page_size(1000);
  do {
    ASSIGN_OR_RETURN(
        storage::v1::DatabaseServiceListResponse response,
        connection.Call(Role::kStorage, &DatabaseService::Stub::List, request));
    for (Database& database : *response.mutable_databases()) {
      databases.push_back(std::move(database));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return databases;
}

absl::StatusOr<std::vector<Collection>> FetchCollections(
    Connection& connection, const std::string& database) {
  std::vector<Collection> collections;
  storage::v1::ListCollectionsRequest request;
  request.set_database(database);
  request.set_page_size(1000);
  do {
    ASSIGN_OR_RETURN(
        storage::v1::ListCollectionsResponse response,
        connection.Call(Role::kStorage, &CatalogService::Stub::ListCollections,
                        request));
    for (Collection& collection : *response.mutable_collections()) {
      collections.push_back(std::move(collection));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return collections;
}

void PrintTable(const Console& console, const Table& table) {
  const std::string text = table.Render(console.out_terminal.width);
  const size_t header_end = text.find('\n');
  console.out << console.Bold(text.substr(0, header_end))
              << text.substr(header_end);
}

}  // namespace engram::engramctl
