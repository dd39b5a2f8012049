#include "services/search/query_decoder.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/search/query_fields.h"

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

void DecodePage(const v1::QueryRequest& request, DecodedQuery& query,
                FieldViolations& violations) {
  query.limit = request.limit() == 0 ? kDefaultLimit : request.limit();
  query.offset = request.offset();
  if (query.limit < 0 || query.limit > kMaxLimit) {
    violations.Add("limit",
                   absl::StrCat("is ", query.limit, "; send 1 to ", kMaxLimit,
                                ", or 0 for ", kDefaultLimit));
  } else if (query.offset < 0 || query.offset > kMaxLimit - query.limit) {
    violations.Add(
        "offset",
        absl::StrCat("is ", query.offset, "; with a limit of ", query.limit,
                     " send 0 to ", kMaxLimit - query.limit,
                     ", and narrow the query by a filter to see "
                     "what comes later"));
  }
  if (!request.has_min_score()) return;
  query.min_score = request.min_score();
  if (!std::isfinite(*query.min_score)) {
    violations.Add("min_score",
                   "is not a finite number; send a score, or leave it out");
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

void DecodeTargetRecall(const v1::QueryRequest& request, DecodedQuery& query,
                        FieldViolations& violations) {
  constexpr float kLeast = 0.5f;
  constexpr float kMost = 0.999f;
  const float target = request.target_recall();
  if (target == 0) return;
  if (!(target >= kLeast && target <= kMost)) {
    violations.Add("target_recall",
                   absl::StrCat("is ", target, "; send ", kLeast, " to ", kMost,
                                ", or 0 for ", kDefaultTargetRecall));
  } else if (request.exact()) {
    violations.Add("target_recall",
                   "is given, but exact finds all; leave out one of the two");
  } else {
    query.target_recall = target;
  }
}

}  // namespace

std::string DatabaseOrDefault(const std::string& name) {
  return name.empty() ? std::string(kDefaultDatabase) : name;
}

DecodedQuery DecodeRestOfQuery(const v1::QueryRequest& request,
                               FieldViolations& violations) {
  DecodedQuery query;
  query.database = DatabaseOrDefault(request.database());
  query.collection = request.collection();
  query.vector_field = request.vector_field();
  if (query.collection.empty()) {
    violations.Add("collection", "is empty; name the collection to search");
  }
  query.fingerprint = request.fingerprint();
  if (!query.fingerprint.empty() && !request.has_vector()) {
    violations.Add("fingerprint",
                   "says what made a vector, but the query has none; leave it "
                   "out");
  }
  DecodePage(request, query, violations);
  if (!request.min_position().empty()) {
    DecodeMinPosition(request.min_position(), query, violations);
  }
  DecodeFields(request.include().fields(), query, violations);
  query.filter = request.filter();
  query.parameters = request.parameters();
  query.exact = request.exact();
  DecodeTargetRecall(request, query, violations);
  query.include_vector = request.include().vector();
  query.include_passage_text = request.include().passage_text();
  query.explain = request.explain();
  DecodeFieldsAsked(request, query, violations);
  DecodeDiversity(request, query, violations);
  return query;
}

absl::StatusOr<DecodedQuery> DecodeQuery(const v1::QueryRequest& request) {
  FieldViolations violations;
  DecodedQuery query = DecodeRestOfQuery(request, violations);
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
      query.examples = Examples{.positive = {request.id()}};
      query.examples_field = "id";
      if (request.id().empty()) {
        violations.Add("id", "is empty; name the record to be near to");
      }
      break;
    case v1::QueryRequest::QUERY_NOT_SET:
      violations.Add("text",
                     "is missing, and so are vector and id; send one of them");
      break;
  }
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
  ReadFields(query, read, violations);
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

storage::v1::RecordServiceListRequest ListRequestOf(const DecodedQuery& query) {
  storage::v1::RecordServiceListRequest request;
  request.set_database(query.database);
  request.set_collection(query.collection);
  request.set_page_size(kMaxRecordsRead);
  request.mutable_read_mask()->add_paths("id");
  request.set_filter(query.filter);
  *request.mutable_parameters() = query.parameters;
  return request;
}

absl::Status ReadError(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) {
    return WithContext(status, "read the records");
  }
  return MapFieldPaths(status, [](absl::string_view path) -> std::string {
    if (absl::ConsumePrefix(&path, "read_mask")) {
      return absl::StrCat("include.fields", path);
    }
    return std::string(path);
  });
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
