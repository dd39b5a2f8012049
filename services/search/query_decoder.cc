#include "services/search/query_decoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"

namespace engram::search {
namespace {

constexpr int kDefaultLimit = 10;

void DecodeVector(const common::v1::Vector& vector, DecodedQuery& query,
                  FieldViolations& violations) {
  const std::string& bytes = vector.values();
  if (bytes.empty() || bytes.size() % sizeof(float) != 0) {
    violations.Add("vector.values",
                   absl::StrCat("has ", bytes.size(),
                                " bytes; send four for each float32, "
                                "little-endian"));
    return;
  }
  query.vector = vector::Unpack(bytes);
  if (!vector::IsFinite(*query.vector)) {
    violations.Add("vector.values", "holds a value that is not finite");
  }
}

void DecodeMinPosition(const std::string& text, DecodedQuery& query,
                       FieldViolations& violations) {
  absl::StatusOr<Position> position = Position::Parse(text);
  if (!position.ok()) {
    violations.Add("min_position", position.status().message());
  } else if (position->database != query.database) {
    violations.Add("min_position",
                   absl::StrCat("is of database \"", position->database,
                                "\", the query of \"", query.database, "\""));
  } else {
    query.min_position = *std::move(position);
  }
}

void DecodeFields(const google::protobuf::FieldMask& fields,
                  DecodedQuery& query, FieldViolations& violations) {
  if (fields.paths().empty()) return;
  query.read_mask = fields;
  for (const std::string& path : fields.paths()) {
    if (path != "*") continue;
    if (fields.paths_size() > 1) {
      violations.Add("include.fields",
                     "names fields beside `*`; send one or "
                     "the other");
    }
    query.read_mask->clear_paths();  // To storage, none means all.
    return;
  }
}

}  // namespace

absl::StatusOr<DecodedQuery> DecodeQuery(const v1::QueryRequest& request) {
  FieldViolations violations;
  DecodedQuery query;
  query.database = request.database().empty() ? std::string(kDefaultDatabase)
                                              : request.database();
  query.collection = request.collection();
  query.vector_field = request.vector_field();
  if (query.collection.empty()) {
    violations.Add("collection", "is empty; name the collection to search");
  }
  switch (request.query_case()) {
    case v1::QueryRequest::kText:
      query.text = request.text();
      if (request.text().empty()) {
        violations.Add("text", "is empty; say what to be near to");
      }
      break;
    case v1::QueryRequest::kVector:
      DecodeVector(request.vector(), query, violations);
      break;
    case v1::QueryRequest::kId:
      violations.Add("id", "is not served; send a text or a vector");
      break;
    case v1::QueryRequest::QUERY_NOT_SET:
      violations.Add("text", "is missing, and so is vector; send one of them");
      break;
  }
  query.fingerprint = request.fingerprint();
  if (!query.fingerprint.empty() && !request.has_vector()) {
    violations.Add("fingerprint",
                   "says what made a vector, but the query has none; leave it "
                   "out");
  }
  query.limit = request.limit() == 0 ? kDefaultLimit : request.limit();
  if (query.limit < 0 || query.limit > kMaxLimit) {
    violations.Add("limit",
                   absl::StrCat("is ", query.limit, "; send 1 to ", kMaxLimit,
                                ", or 0 for ", kDefaultLimit));
  }
  if (!request.min_position().empty()) {
    DecodeMinPosition(request.min_position(), query, violations);
  }
  DecodeFields(request.include().fields(), query, violations);
  query.filter = request.filter();
  query.parameters = request.parameters();
  query.exact = request.exact();
  query.explain = request.explain();
  query.mode = DecodeMode(request, violations);
  if (!violations.empty()) return violations.ToStatus();
  return query;
}

absl::StatusOr<ReadFilter> ReadQueryFilter(
    const DecodedQuery& query, std::shared_ptr<const CollectionSchema> schema) {
  FieldViolations violations;
  filter::SharedParameters parameters(query.parameters);
  ReadFilter read{.schema = std::move(schema)};
  // Nothing is true of every record.
  read.condition.value = int64_t{1};
  if (!query.filter.empty()) {
    absl::StatusOr<filter::Node> condition = filter::ParseFilter(
        query.filter, schema::RecordScope(read.schema->spec),
        parameters.Of(query.filter));
    if (condition.ok()) {
      read.condition = *std::move(condition);
    } else {
      violations.Add("filter", condition.status().message());
    }
  }
  parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return read;
}

storage::v1::BatchGetRequest RecordsRequestOf(const DecodedQuery& query) {
  storage::v1::BatchGetRequest request;
  request.set_database(query.database);
  request.set_collection(query.collection);
  if (query.read_mask.has_value()) {
    *request.mutable_read_mask() = *query.read_mask;
  } else {
    request.mutable_read_mask()->add_paths("id");
  }
  request.set_filter(query.filter);
  *request.mutable_parameters() = query.parameters;
  return request;
}

absl::Status PrepareVector(const IndexSpec& spec, absl::string_view field,
                           std::vector<float>& values) {
  if (values.size() != spec.dimensions) {
    return InvalidField(field,
                        absl::StrCat("has ", values.size(), " values; the ",
                                     "index wants ", spec.dimensions));
  }
  if (spec.metric == Metric::kCosine &&
      !vector::Normalize(absl::MakeSpan(values))) {
    return InvalidField(field,
                        "gives a vector of zeros, which has no direction for "
                        "cosine to compare");
  }
  return absl::OkStatus();
}

common::v1::Metric EncodeMetric(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return common::v1::METRIC_COSINE;
    case Metric::kDot:
      return common::v1::METRIC_DOT;
    case Metric::kL2:
      return common::v1::METRIC_L2;
  }
  return common::v1::METRIC_UNSPECIFIED;
}

}  // namespace engram::search
