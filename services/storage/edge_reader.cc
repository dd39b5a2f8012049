#include "services/storage/edge_reader.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_condition.h"

namespace engram::storage {
namespace {

IdSelect::Query MakeQuery(const Collection& edges, const EdgeFilter& filter,
                          EdgeEnd near, EdgeReader::Columns columns,
                          int64_t now_us) {
  const schema::EdgesSpec& spec = *edges.spec.edges;
  const std::string source = QuoteIdentifier(spec.source);
  const std::string target = QuoteIdentifier(spec.target);
  const bool from_source = near == EdgeEnd::kSource;
  IdSelect::Query query = {
      .condition = CompileCondition(edges, filter.node, Deleted::kHidden,
                                    now_us, Elements::kOfRecord),
      .columns = absl::StrCat(from_source ? source : target, ", ",
                              from_source ? target : source),
      .table = QuoteIdentifier(edges.name()),
      .id_column = from_source ? source : target,
      .statements = filter.statements};
  if (columns == EdgeReader::Columns::kAll) {
    absl::StrAppend(&query.columns, ", id, ",
                    spec.kind.empty() ? "NULL" : QuoteIdentifier(spec.kind));
  }
  return query;
}

bool IsNocase(const Collection& edges, const std::string& field) {
  return edges.spec.FindField(field)->nocase;
}

}  // namespace

EdgeReader::EdgeReader(sqlite::Connection& connection, const Collection& edges,
                       const EdgeFilter& filter, Columns columns,
                       int64_t now_us, const CallBounds& bounds)
    : columns_(columns),
      source_nocase_(IsNocase(edges, edges.spec.edges->source)),
      target_nocase_(IsNocase(edges, edges.spec.edges->target)),
      by_source_(connection,
                 MakeQuery(edges, filter, EdgeEnd::kSource, columns, now_us),
                 bounds),
      by_target_(connection,
                 MakeQuery(edges, filter, EdgeEnd::kTarget, columns, now_us),
                 bounds) {}

void EdgeReader::Allow(int64_t edges) {
  allowed_ = edges;
  spent_ = false;
}

absl::Status EdgeReader::Visit(
    EdgeEnd near, absl::Span<const std::string> nodes,
    absl::FunctionRef<absl::StatusOr<bool>(const EdgeView&)> visit) {
  if (spent_) return absl::OkStatus();
  absl::flat_hash_set<absl::string_view> exact;
  if (near == EdgeEnd::kSource ? source_nocase_ : target_nocase_) {
    exact.insert(nodes.begin(), nodes.end());
  }
  return select(near).Visit(
      nodes, [&](const sqlite::Statement& row) -> absl::StatusOr<bool> {
        if (allowed_ == 0) {
          spent_ = true;
          return false;
        }
        --allowed_;
        EdgeView edge = {.near = row.Text(1), .far = row.Text(2)};
        if (row.Int(0) == 0 || edge.far.empty()) return true;
        if (!exact.empty() && !exact.contains(edge.near)) return true;
        if (columns_ == Columns::kAll) {
          edge.id = row.Text(3);
          edge.kind = row.Text(4);
        }
        return visit(edge);
      });
}

}  // namespace engram::storage
