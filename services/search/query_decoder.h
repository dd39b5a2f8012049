#ifndef ENGRAM_SERVICES_SEARCH_QUERY_DECODER_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_DECODER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/common/v1/vector.pb.h"
#include "engram/search/v1/search.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/struct.pb.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "services/search/attribute_columns.h"
#include "services/search/example_vector.h"
#include "services/search/index.h"
#include "services/search/query_mode.h"

namespace engram::search {

// The database that an empty name means.
inline constexpr absl::string_view kDefaultDatabase = "default";

// The database that a request means by `name`.
std::string DatabaseOrDefault(const std::string& name);

// The most records that one query returns, those that `offset` leaves out
// included.
inline constexpr int kMaxLimit = 1000;

// The most ids of one BatchGet.
inline constexpr int kMaxRecordsRead = 1000;

// A QueryRequest with its defaults filled in and its rules checked, as far as
// they do not depend on the index.
struct DecodedQuery {
  std::string database;
  std::string collection;
  // Empty for the only one.
  std::string vector_field;
  // One of the three is set.
  std::optional<std::string> text;
  std::optional<std::vector<float>> vector;
  std::optional<Examples> examples;
  // Of the request, which named the examples.
  absl::string_view examples_field;
  // Of the model that made `vector`; empty if that is not told.
  std::string fingerprint;
  int limit = 0;
  // How many of the best to leave out.
  int offset = 0;
  // The worst score that is returned.
  std::optional<float> min_score;
  std::optional<Position> min_position;
  // What to read of each record; nothing if records were not asked for.
  std::optional<google::protobuf::FieldMask> read_mask;
  // Whether to return each hit's vector, and the text that it was made of.
  bool include_vector = false;
  bool include_passage_text = false;
  // Which records, and the values of its `:name`s; see ReadQueryFilter.
  std::string filter;
  google::protobuf::Struct parameters;
  // Whether to compare with every vector.
  bool exact = false;
  // The share of the true nearest to find.
  double target_recall = kDefaultTargetRecall;
  // A field of which each value is had by at most `group_size` records; none if
  // empty.
  std::string group_by;
  int group_size = 0;
  // How much hits are to differ, 0 to 1.
  float diversity = 0;
  // The fields whose values are counted.
  std::vector<std::string> facets;
  bool explain = false;
  ModeOptions mode;
};

// `InvalidArgument` lists every field at fault.
absl::StatusOr<DecodedQuery> DecodeQuery(const v1::QueryRequest& request);

// The same of a query that does not say what to be near to; adds the fields at
// fault to `violations`.
DecodedQuery DecodeRestOfQuery(const v1::QueryRequest& request,
                               FieldViolations& violations);

// Reads the query's filter, and the fields that it groups by and counts, by the
// names of the collection. `InvalidArgument` lists what is wrong with them, and
// the parameters that the filter does not use.
absl::StatusOr<ReadFilter> ReadQueryFilter(
    const DecodedQuery& query, std::shared_ptr<const CollectionSchema> schema);

// Returns what storage is asked for when a query's hits are read; add their
// ids, at most kMaxRecordsRead. It checks the filter once more.
storage::v1::BatchGetRequest RecordsRequestOf(const DecodedQuery& query);

// Returns what storage is asked for to list the ids of all records that meet
// the query's filter.
storage::v1::RecordServiceListRequest ListRequestOf(const DecodedQuery& query);

// Names the fields at fault as a query's caller knows them, where storage
// refuses to read records.
absl::Status ReadError(const absl::Status& status);

// Checks that a vector fits the index, and brings it to unit length for cosine.
// `InvalidArgument` names `field`, where the vector came from.
absl::Status PrepareVector(const IndexSpec& spec, absl::string_view field,
                           std::vector<float>& values);

common::v1::Metric EncodeMetric(Metric metric);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_DECODER_H_
