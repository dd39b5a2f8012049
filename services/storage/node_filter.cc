#include "services/storage/node_filter.h"

#include "services/storage/collection_table.h"
#include "services/storage/record_condition.h"

namespace engram::storage {

NodeFilter::NodeFilter(sqlite::Connection& connection, const Collection& nodes,
                       const filter::Node& filter, int64_t now_us,
                       const CallBounds& bounds)
    : select_(connection,
              {.condition = CompileCondition(nodes, filter, Deleted::kHidden,
                                             now_us, Elements::kOfRecord),
               .columns = "id",
               .table = QuoteIdentifier(nodes.name()),
               .id_column = "id"},
              bounds) {}

absl::Status NodeFilter::Visit(
    absl::Span<const std::string> ids,
    absl::FunctionRef<void(absl::string_view id)> visit) {
  return select_.Visit(
      ids, [&](const sqlite::Statement& row) -> absl::StatusOr<bool> {
        if (row.Int(0) != 0) visit(row.Text(1));
        return true;
      });
}

}  // namespace engram::storage
