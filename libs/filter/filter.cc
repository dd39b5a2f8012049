#include "libs/filter/filter.h"

#include <algorithm>
#include <utility>

#include "libs/filter/lexer.h"
#include "libs/filter/parameters.h"
#include "libs/filter/parse_value.h"
#include "libs/filter/parser.h"
#include "libs/filter/sql.h"
#include "libs/filter/type_checker.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

// Whether `holds` for `node` or one below it.
bool Any(const Node& node, absl::FunctionRef<bool(const Node&)> holds) {
  return holds(node) ||
         std::any_of(node.operands.begin(), node.operands.end(),
                     [&](const Node& operand) { return Any(operand, holds); });
}

absl::StatusOr<Node> Finish(absl::StatusOr<Node> node,
                            const Parameters& parameters) {
  RETURN_IF_ERROR(node.status());
  RETURN_IF_ERROR(parameters.CheckAllUsed());
  if (!FitsSql(*node)) {
    return absl::InvalidArgumentError(
        "is nested too deeply, or too long, to be run; make it simpler");
  }
  return node;
}

}  // namespace

absl::StatusOr<Node> ParseFilter(absl::string_view text, const Scope& scope,
                                 const google::protobuf::Struct& parameters) {
  ASSIGN_OR_RETURN(const Syntax syntax, Parse(text));
  Parameters values(parameters);
  return Finish(CheckCondition(syntax, scope, values), values);
}

absl::StatusOr<Node> ParseExpression(
    absl::string_view text, const Scope& scope, schema::FieldType type,
    const google::protobuf::Struct& parameters) {
  ASSIGN_OR_RETURN(const Syntax syntax, Parse(text));
  Parameters values(parameters);
  return Finish(CheckExpression(syntax, scope, type, values), values);
}

absl::StatusOr<Node> ParseValue(absl::string_view text, const Scope& scope,
                                const google::protobuf::Struct& parameters) {
  ASSIGN_OR_RETURN(const Syntax syntax, Parse(text));
  Parameters values(parameters);
  return Finish(CheckValue(syntax, scope, values), values);
}

bool UsesNow(const Node& node) {
  return Any(node, [](const Node& n) { return n.op == Operator::kNow; });
}

bool UsesJsonPath(const Node& node) {
  return Any(node, [](const Node& n) {
    return !n.path.empty() || n.op == Operator::kExists ||
           (n.op == Operator::kHas && n.operands[0].type == Type::kJson);
  });
}

std::vector<int> PlacesUsed(const Node& node) {
  std::vector<int> places;
  Any(node, [&](const Node& n) {
    if (n.op == Operator::kField) places.push_back(n.place);
    return false;
  });
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

}  // namespace engram::filter
