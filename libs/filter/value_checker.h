#ifndef ENGRAM_LIBS_FILTER_VALUE_CHECKER_H_
#define ENGRAM_LIBS_FILTER_VALUE_CHECKER_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/filter.h"
#include "libs/filter/parameters.h"
#include "libs/filter/syntax.h"

namespace engram::filter {

// Settles the types of values: fields, literals and arithmetic.
class ValueChecker {
 public:
  // Both must outlive this object.
  ValueChecker(const Scope& scope, Parameters& parameters)
      : scope_(scope), parameters_(parameters) {}

  // A value of whatever type it has by itself.
  absl::StatusOr<Node> Value(const Syntax& syntax);
  absl::StatusOr<Node> Field(const Syntax& syntax);
  absl::StatusOr<Node> Literal(const Syntax& syntax);
  // The value of the parameter that `syntax` names.
  absl::StatusOr<const google::protobuf::Value*> Parameter(
      const Syntax& syntax);

  // Makes `node`, which was written as `syntax`, one of `type`.
  absl::Status Fit(Node& node, Type type, const Syntax& syntax) const;

 private:
  using Operands = std::vector<Node>;

  absl::StatusOr<Operands> Values(const Syntax& syntax);
  absl::StatusOr<Node> Arithmetic(const Syntax& syntax);
  absl::StatusOr<Node> TimeArithmetic(const Syntax& syntax, Node left,
                                      Node right) const;
  absl::StatusOr<Node> ScaleDuration(const Syntax& syntax, Node left,
                                     Node right) const;
  absl::StatusOr<Node> Negate(const Syntax& syntax);
  absl::StatusOr<Node> Round(const Syntax& syntax);
  absl::StatusOr<Node> Choice(const Syntax& syntax);
  absl::StatusOr<Type> CommonType(const Syntax& syntax,
                                  const Operands& operands) const;

  const Scope& scope_;
  Parameters& parameters_;
};

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_VALUE_CHECKER_H_
