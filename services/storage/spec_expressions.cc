#include "services/storage/spec_expressions.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/record_scope.h"

namespace engram::storage {
namespace {

filter::Node Accepted(absl::StatusOr<filter::Node> node,
                      absl::string_view text) {
  if (node.ok()) return *std::move(node);
  // The schema's parser and the filter's disagree.
  std::fprintf(stderr, "accepted expression %s: %s\n",
               std::string(text).c_str(), node.status().ToString().c_str());
  std::abort();
}

filter::Node ParseValue(const filter::Scope& scope, schema::FieldType type,
                        absl::string_view text) {
  return Accepted(
      filter::ParseExpression(text, scope, type, google::protobuf::Struct()),
      text);
}

}  // namespace

filter::Node ParseCondition(const schema::CollectionSpec& spec,
                            absl::string_view text) {
  return Accepted(filter::ParseFilter(text, schema::RecordScope(spec),
                                      google::protobuf::Struct()),
                  text);
}

filter::Node ParseGenerated(const schema::CollectionSpec& spec,
                            const schema::FieldSpec& field) {
  return ParseValue(schema::RecordScope(spec), field.type, field.generated);
}

filter::Node ParseMerge(const schema::CollectionSpec& spec,
                        const schema::FieldSpec& field) {
  return ParseValue(schema::MergeScope(spec), field.type,
                    field.merge_expression);
}

filter::Node ParseTouch(const schema::CollectionSpec& spec,
                        const schema::TouchSpec::Set& set) {
  return ParseValue(schema::RecordScope(spec),
                    spec.fields[spec.FieldIndex(set.field)].type,
                    set.expression);
}

}  // namespace engram::storage
