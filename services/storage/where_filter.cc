#include "services/storage/where_filter.h"

#include <utility>

#include "libs/schema/record_scope.h"

namespace engram::storage {

absl::StatusOr<CollectionPtr> FindCollection(absl::string_view database,
                                             const Catalog& catalog,
                                             const std::string& name) {
  if (name.empty()) {
    return InvalidField("collection", "is empty; name the records' collection");
  }
  return catalog.Get(database, name);
}

filter::Node DecodeWhereFilter(const schema::CollectionSpec& spec,
                               absl::string_view text,
                               filter::SharedParameters& parameters,
                               FieldViolations& violations) {
  if (text.empty()) {
    violations.Add("filter",
                   "is empty; give a filter, such as `true` for all records");
    return filter::Node();
  }
  absl::StatusOr<filter::Node> filter =
      filter::ParseFilter(text, schema::RecordScope(spec), parameters.Of(text));
  if (filter.ok()) return *std::move(filter);
  violations.Add("filter", filter.status().message());
  return filter::Node();
}

}  // namespace engram::storage
