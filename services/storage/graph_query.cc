#include "services/storage/graph_query.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/make_node.h"
#include "libs/schema/record_scope.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_condition.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

using ::google::protobuf::RepeatedPtrField;

// The edges of `kinds`, as the filter `kind IN (...)` would have it.
filter::Node OfKinds(const schema::CollectionSpec& spec,
                     const RepeatedPtrField<std::string>& kinds) {
  const int place = spec.FieldIndex(spec.edges->kind);
  filter::Node field;
  field.op = filter::Operator::kField;
  field.type = filter::Type::kString;
  field.place = place;
  field.nocase = spec.fields[place].nocase;
  std::vector<std::string> wanted(kinds.begin(), kinds.end());
  if (field.nocase) {
    for (std::string& kind : wanted) absl::AsciiStrToLower(&kind);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const bool nocase = field.nocase;
  filter::Node in = filter::MakeNode(filter::Operator::kIn, filter::Type::kBool,
                                     std::move(field));
  in.nocase = nocase;
  in.values.assign(wanted.begin(), wanted.end());
  return in;
}

}  // namespace

absl::StatusOr<ReadTarget> FindGraph(Database& database,
                                     absl::string_view collection) {
  ASSIGN_OR_RETURN(ReadTarget target, FindReadTarget(database, collection));
  if (target.collection->spec.edges.has_value()) return target;
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_ATTRIBUTE_MISSING,
      absl::StrCat("collection \"", collection,
                   "\" declares no `edges`; say in its schema which fields "
                   "hold an edge's ends, such as edges: {source: from_id, "
                   "target: to_id}"),
      {{"database", database.name()},
       {"collection", collection},
       {"attribute", "edges"}});
}

EdgeFilter DecodeEdgeFilter(const schema::CollectionSpec& spec,
                            const RepeatedPtrField<std::string>& kinds,
                            absl::string_view edge_filter,
                            filter::SharedParameters& parameters,
                            FieldViolations& violations) {
  const schema::RecordScope scope(spec);
  EdgeFilter edges = {.node =
                          DecodeReadFilter(scope, edge_filter, "edge_filter",
                                           parameters, violations)};
  if (edge_filter.empty()) edges.statements = IdSelect::Statements::kShared;
  if (kinds.empty()) return edges;
  if (spec.edges->kind.empty()) {
    violations.Add("kinds",
                   absl::StrCat("has no meaning: the edges of \"", spec.name,
                                "\" declare no `kind`; leave it out, or use "
                                "`edge_filter`"));
    return edges;
  }
  if (kinds.size() > kMaxKinds) {
    violations.Add("kinds", absl::StrCat("has ", kinds.size(),
                                         " entries; give at most ", kMaxKinds));
    return edges;
  }
  filter::Node of_kinds = OfKinds(spec, kinds);
  edges.node =
      edge_filter.empty()
          ? std::move(of_kinds)
          : filter::MakeNode(filter::Operator::kAnd, filter::Type::kBool,
                             std::move(of_kinds), std::move(edges.node));
  return edges;
}

void CheckNode(absl::string_view id, absl::string_view path,
               FieldViolations& violations) {
  if (id.empty()) {
    violations.Add(path, "is empty; give a node's id");
  } else if (id.size() > kMaxIndexedBytes) {
    violations.Add(path, absl::StrCat("has ", id.size(),
                                      " bytes; no node's id has more than ",
                                      kMaxIndexedBytes));
  }
}

void CheckNodes(const RepeatedPtrField<std::string>& ids, int least,
                absl::string_view path, FieldViolations& violations) {
  if (ids.size() < least || ids.size() > kMaxNamedNodes) {
    violations.Add(path, absl::StrCat("has ", ids.size(), " entries; give ",
                                      least, " to ", kMaxNamedNodes));
    return;
  }
  for (int i = 0; i < ids.size(); ++i) {
    CheckNode(ids[i], absl::StrCat(path, "[", i, "]"), violations);
  }
}

int DecodeLimit(int sent, int usual, int most, absl::string_view path,
                FieldViolations& violations) {
  if (sent < 0) {
    violations.Add(path, absl::StrCat("is negative; give 0 to ", most));
  }
  return sent == 0 ? usual : std::min(sent, most);
}

}  // namespace engram::storage
