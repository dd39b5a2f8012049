#include "services/storage/aggregate_plan.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/filter/literal.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/document_reader.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/aggregate_expressions.h"
#include "services/storage/order_by.h"
#include "services/storage/record_condition.h"

namespace engram::storage {
namespace {

using schema::FieldType;

constexpr int kDefaultLimit = 100;
constexpr int kMaxLimit = 10'000;

// What a message repeats of a text at most.
constexpr size_t kShownBytes = 64;

constexpr absl::string_view kNameRule =
    "a name is a lower-case letter, then letters, digits and underscores, at "
    "most 63 in all";

// The names of the keys and figures, for `having`.
class ColumnScope : public filter::Scope {
 public:
  // Must outlive this object.
  explicit ColumnScope(const AggregatePlan& plan) : plan_(plan) {}

  std::optional<filter::Name> Find(absl::string_view name) const override {
    for (size_t i = 0; i < plan_.column_count(); ++i) {
      const AggregateColumn& column = plan_.column(i);
      if (column.name == name) {
        return filter::Name{column.type, static_cast<int>(i), column.nocase};
      }
    }
    return std::nullopt;
  }
  std::vector<std::string> Names() const override {
    std::vector<std::string> names;
    for (size_t i = 0; i < plan_.column_count(); ++i) {
      names.push_back(plan_.column(i).name);
    }
    return names;
  }

 private:
  const AggregatePlan& plan_;
};

class AggregateDecoder {
 public:
  AggregateDecoder(const Collection& collection,
                   const v1::AggregateRequest& request)
      : request_(request),
        parameters_(request.parameters()),
        expressions_(collection.spec, parameters_, violations_) {}

  absl::StatusOr<AggregatePlan> Decode();

 private:
  void CheckCounts();
  void DecodeKey(const v1::GroupKey& sent, const std::string& path);
  void NameKey(const v1::GroupKey& sent, const std::string& path,
               AggregateKey& key);
  void DecodeBucket(const v1::GroupKey& sent, const std::string& path,
                    AggregateKey& key);
  void DecodeFigure(const v1::Aggregation& sent, const std::string& path);
  void DecodeValue(const v1::Aggregation& sent, const std::string& path,
                   AggregateFigure& figure);
  void DecodeWeight(const v1::Aggregation& sent, const std::string& path,
                    AggregateFigure& figure);
  void CheckName(const std::string& name, const std::string& path);
  void CheckUnique(const std::string& name, const std::string& path);
  void NoteBroken(const std::string& name) {
    if (!name.empty()) broken_.push_back(name);
  }
  void DecodeHaving();
  bool MentionsBroken(absl::string_view text) const;
  void DecodeOrder();
  void DecodeLimit();

  const v1::AggregateRequest& request_;
  filter::SharedParameters parameters_;
  FieldViolations violations_;
  AggregateExpressions expressions_;
  AggregatePlan plan_;
  // What each name is the name of.
  absl::flat_hash_map<std::string, std::string> paths_;
  // The names of columns whose expression cannot be read.
  std::vector<std::string> broken_;
};

absl::StatusOr<AggregatePlan> AggregateDecoder::Decode() {
  plan_.filter = DecodeReadFilter(expressions_.scope(), request_.filter(),
                                  "filter", parameters_, violations_);
  CheckCounts();
  for (int i = 0; i < std::min(request_.group_by_size(), kMaxGroupKeys); ++i) {
    DecodeKey(request_.group_by(i), absl::StrCat("group_by[", i, "]"));
  }
  const int figures = std::min(request_.aggregations_size(), kMaxAggregations);
  for (int i = 0; i < figures; ++i) {
    DecodeFigure(request_.aggregations(i),
                 absl::StrCat("aggregations[", i, "]"));
  }
  DecodeHaving();
  DecodeOrder();
  DecodeLimit();
  parameters_.CheckAllUsed(violations_);
  RETURN_IF_ERROR(violations_.ToStatus());
  return std::move(plan_);
}

void AggregateDecoder::CheckCounts() {
  const auto check = [&](absl::string_view path, int count, int most) {
    if (count <= most) return;
    violations_.Add(path, absl::StrCat("has ", count, " entries; at most ",
                                       most, " are allowed"));
  };
  check("group_by", request_.group_by_size(), kMaxGroupKeys);
  check("aggregations", request_.aggregations_size(), kMaxAggregations);
  if (request_.group_by().empty() && request_.aggregations().empty()) {
    violations_.Add("aggregations",
                    "is empty; ask for a figure, such as a count, or give "
                    "group_by");
  }
}

void AggregateDecoder::DecodeKey(const v1::GroupKey& sent,
                                 const std::string& path) {
  AggregateKey key;
  std::optional<filter::Node> value =
      expressions_.Key(sent.field(), path + ".field");
  if (value.has_value()) {
    expressions_.Describe(*value, key.column);
    key.value = *std::move(value);
    NameKey(sent, path, key);
    DecodeBucket(sent, path, key);
  } else {
    key.column.name = sent.name().empty() ? sent.field() : sent.name();
    NoteBroken(key.column.name);
  }
  CheckUnique(key.column.name, path);
  plan_.keys.push_back(std::move(key));
}

void AggregateDecoder::NameKey(const v1::GroupKey& sent,
                               const std::string& path, AggregateKey& key) {
  key.column.name = sent.name();
  if (!sent.name().empty()) return CheckName(sent.name(), path + ".name");
  const std::optional<std::string> field = expressions_.FieldName(key.value);
  if (field.has_value()) {
    key.column.name = *field;
  } else {
    violations_.Add(path + ".name", "is empty; an expression needs one");
  }
}

void AggregateDecoder::DecodeBucket(const v1::GroupKey& sent,
                                    const std::string& path,
                                    AggregateKey& key) {
  if (sent.bucket() == v1::TIME_BUCKET_UNSPECIFIED) return;
  if (!v1::TimeBucket_IsValid(sent.bucket())) {
    violations_.Add(path + ".bucket", "is no interval that storage knows");
  } else if (key.value.type != filter::Type::kTimestamp) {
    violations_.Add(path + ".bucket",
                    absl::StrCat("goes with a timestamp; the field is ",
                                 filter::TypeName(key.value.type)));
  } else {
    key.bucket = sent.bucket();
  }
}

void AggregateDecoder::DecodeFigure(const v1::Aggregation& sent,
                                    const std::string& path) {
  AggregateFigure figure;
  figure.column.name = sent.name();
  CheckName(sent.name(), path + ".name");
  CheckUnique(sent.name(), path);
  if (v1::Aggregation::Function_IsValid(sent.function()) &&
      sent.function() != v1::Aggregation::FUNCTION_UNSPECIFIED) {
    figure.function = sent.function();
    DecodeValue(sent, path, figure);
    DecodeWeight(sent, path, figure);
  } else {
    violations_.Add(path + ".function",
                    "is not stated; say what to compute, such as FUNCTION_SUM");
    NoteBroken(sent.name());
  }
  plan_.figures.push_back(std::move(figure));
}

void AggregateDecoder::DecodeValue(const v1::Aggregation& sent,
                                   const std::string& path,
                                   AggregateFigure& figure) {
  const bool counts =
      sent.function() == v1::Aggregation::FUNCTION_COUNT ||
      sent.function() == v1::Aggregation::FUNCTION_COUNT_DISTINCT;
  figure.column.type = counts ? FieldType::kInt : FieldType::kDouble;
  if (sent.expression().empty() &&
      sent.function() == v1::Aggregation::FUNCTION_COUNT) {
    return;
  }
  figure.value = expressions_.ValueOf(sent.function(), sent.expression(),
                                      path + ".expression");
  if (!figure.value.has_value()) {
    NoteBroken(sent.name());
    return;
  }
  const filter::Type type = figure.value->type;
  switch (sent.function()) {
    case v1::Aggregation::FUNCTION_MIN:
    case v1::Aggregation::FUNCTION_MAX:
      return expressions_.Describe(*figure.value, figure.column);
    case v1::Aggregation::FUNCTION_SUM:
      if (type == filter::Type::kInt || type == filter::Type::kBool) {
        figure.column.type = FieldType::kInt;
      }
      return;
    default:
      return;
  }
}

void AggregateDecoder::DecodeWeight(const v1::Aggregation& sent,
                                    const std::string& path,
                                    AggregateFigure& figure) {
  if (sent.weight().empty()) return;
  if (sent.function() != v1::Aggregation::FUNCTION_AVG) {
    violations_.Add(path + ".weight", "goes with FUNCTION_AVG only");
    return;
  }
  figure.weight = expressions_.Quantity(sent.weight(), path + ".weight");
}

void AggregateDecoder::CheckName(const std::string& name,
                                 const std::string& path) {
  if (schema::IsName(name)) return;
  violations_.Add(path, name.empty() ? absl::StrCat("is empty; ", kNameRule)
                                     : absl::StrCat("is no name; ", kNameRule));
}

void AggregateDecoder::CheckUnique(const std::string& name,
                                   const std::string& path) {
  if (name.empty()) return;
  const auto [first, is_new] = paths_.try_emplace(name, path);
  if (is_new) return;
  violations_.Add(
      path + ".name",
      absl::StrCat("\"", CutText(name, kShownBytes), "\" is the name of ",
                   first->second, "; give another"));
}

void AggregateDecoder::DecodeHaving() {
  if (request_.having().empty()) return;
  const ColumnScope scope(plan_);
  absl::StatusOr<filter::Node> having = filter::ParseFilter(
      request_.having(), scope, parameters_.Of(request_.having()));
  if (having.ok()) {
    plan_.having = *std::move(having);
  } else if (!MentionsBroken(request_.having())) {
    violations_.Add("having", having.status().message());
  }
}

// Whether `text` may be wrong only because an expression before it is.
bool AggregateDecoder::MentionsBroken(absl::string_view text) const {
  const auto tokens = filter::Tokenize(text);
  return tokens.ok() &&
         std::any_of(
             tokens->begin(), tokens->end(), [&](const filter::Token& token) {
               return std::find(broken_.begin(), broken_.end(), token.text) !=
                      broken_.end();
             });
}

void AggregateDecoder::DecodeOrder() {
  absl::StatusOr<std::vector<OrderTerm>> terms =
      ParseOrderBy(request_.order_by());
  if (!terms.ok()) return violations_.Add("order_by", terms.status().message());
  const ColumnScope scope(plan_);
  std::vector<bool> is_in_order(plan_.column_count());
  for (const OrderTerm& term : *terms) {
    const std::optional<filter::Name> name = scope.Find(term.name);
    if (!name.has_value()) {
      const std::vector<std::string> names = scope.Names();
      violations_.Add(
          "order_by",
          absl::StrCat(
              "column ", term.column, ": no key or figure \"",
              CutText(term.name, kShownBytes), "\"",
              schema::DidYouMean(term.name, {names.begin(), names.end()})));
      continue;
    }
    plan_.order.push_back({name->place, term.descending});
    is_in_order[name->place] = true;
  }
  for (size_t i = 0; i < plan_.keys.size(); ++i) {
    if (!is_in_order[i]) plan_.order.push_back({static_cast<int>(i), false});
  }
}

void AggregateDecoder::DecodeLimit() {
  if (request_.limit() < 0) {
    violations_.Add("limit",
                    absl::StrCat("is negative; give 0 to ", kMaxLimit));
    return;
  }
  plan_.limit = request_.limit() == 0 ? kDefaultLimit
                                      : std::min(request_.limit(), kMaxLimit);
}

}  // namespace

absl::StatusOr<AggregatePlan> DecodeAggregate(
    const Collection& collection, const v1::AggregateRequest& request) {
  return AggregateDecoder(collection, request).Decode();
}

}  // namespace engram::storage
