#ifndef ENGRAM_SERVICES_STORAGE_AGGREGATE_EXPRESSIONS_H_
#define ENGRAM_SERVICES_STORAGE_AGGREGATE_EXPRESSIONS_H_

#include <optional>
#include <string>

#include "engram/storage/v1/record.pb.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "services/storage/aggregate_plan.h"

namespace engram::storage {

// Reads the expressions over records in a request for figures, and says of what
// kind they may be. What is wrong becomes a violation, and the result nothing.
class AggregateExpressions {
 public:
  // All must outlive this object.
  AggregateExpressions(const schema::CollectionSpec& spec,
                       filter::SharedParameters& parameters,
                       FieldViolations& violations)
      : spec_(spec),
        scope_(spec),
        parameters_(parameters),
        violations_(violations) {}

  const filter::Scope& scope() const { return scope_; }

  // What records can be grouped by: anything.
  std::optional<filter::Node> Key(const std::string& text,
                                  const std::string& path);
  // What `function`, which is stated, is computed of.
  std::optional<filter::Node> ValueOf(v1::Aggregation::Function function,
                                      const std::string& text,
                                      const std::string& path);
  // What can be added up: a bool is 1 or 0, json a double.
  std::optional<filter::Node> Quantity(const std::string& text,
                                       const std::string& path);

  // Says of a column how it answers values of `node` that are kept as they are.
  void Describe(const filter::Node& node, AggregateColumn& column) const;
  // The name of the field that the node is, or nothing.
  std::optional<std::string> FieldName(const filter::Node& node) const;

 private:
  std::optional<filter::Node> Counted(const std::string& text,
                                      const std::string& path);
  std::optional<filter::Node> Distinct(const std::string& text,
                                       const std::string& path);
  std::optional<filter::Node> Ordered(const std::string& text,
                                      const std::string& path);
  // One whose json is a double.
  std::optional<filter::Node> Typed(const std::string& text,
                                    const std::string& path);

  const schema::CollectionSpec& spec_;
  const schema::RecordScope scope_;
  filter::SharedParameters& parameters_;
  FieldViolations& violations_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_AGGREGATE_EXPRESSIONS_H_
