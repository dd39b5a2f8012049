#include "services/search/recommend_decoder.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "libs/status/errors.h"

namespace engram::search {
namespace {

constexpr int kMaxExamples = 100;

// Of the ids that have no vectors, how many a message names, and how much of
// each.
constexpr size_t kShownIds = 10;
constexpr size_t kShownBytes = 80;

constexpr absl::string_view kPositive = "positive_ids";
constexpr absl::string_view kNegative = "negative_ids";

using Ids = google::protobuf::RepeatedPtrField<std::string>;

std::vector<std::string> DecodeIds(absl::string_view field, const Ids& ids,
                                   FieldViolations& violations) {
  if (ids.size() > kMaxExamples) {
    violations.Add(field,
                   absl::StrCat("names ", ids.size(), " records; send at most ",
                                kMaxExamples));
    return {};
  }
  for (int i = 0; i < ids.size(); ++i) {
    if (!ids[i].empty()) continue;
    violations.Add(absl::StrCat(field, "[", i, "]"),
                   "is empty; name a record, or leave it out");
  }
  return {ids.begin(), ids.end()};
}

Examples DecodeExamples(const v1::RecommendRequest& request,
                        FieldViolations& violations) {
  Examples examples;
  examples.positive = DecodeIds(kPositive, request.positive_ids(), violations);
  examples.negative = DecodeIds(kNegative, request.negative_ids(), violations);
  if (request.positive_ids().empty()) {
    violations.Add(kPositive, "is empty; name records to be near to");
  }
  const std::set<std::string> positive(examples.positive.begin(),
                                       examples.positive.end());
  for (size_t i = 0; i < examples.negative.size(); ++i) {
    if (!positive.contains(examples.negative[i])) continue;
    violations.Add(absl::StrCat(kNegative, "[", i, "]"),
                   "is one of positive_ids, too; name it in one of the two");
  }
  return examples;
}

}  // namespace

absl::StatusOr<DecodedQuery> DecodeRecommend(
    const v1::RecommendRequest& request) {
  FieldViolations violations;
  DecodedQuery query = DecodeRestOfQuery(request.query(), violations);
  if (request.query().query_case() != v1::QueryRequest::QUERY_NOT_SET) {
    const char* const names[] = {"text", "vector", "id"};
    const bool is_set[] = {request.query().has_text(),
                           request.query().has_vector(),
                           request.query().has_id()};
    const auto set = std::find(std::begin(is_set), std::end(is_set), true);
    violations.Add(names[set - std::begin(is_set)],
                   "is set beside positive_ids; leave it out");
  }
  query.mode = DecodeMode(request.query(), violations);
  if (query.mode.mode != QueryMode::kSemantic) {
    violations.Add("mode",
                   "is not of use here: records are like others by what they "
                   "mean; leave it out");
  }
  query.examples = DecodeExamples(request, violations);
  query.examples_field = kPositive;
  if (!violations.empty()) return violations.ToStatus();
  return query;
}

absl::Status RecommendError(const absl::Status& status) {
  return MapFieldPaths(status, [](absl::string_view path) {
    const bool is_own =
        absl::StartsWith(path, kPositive) || absl::StartsWith(path, kNegative);
    return is_own ? std::string(path) : absl::StrCat("query.", path);
  });
}

absl::Status NoVectorError(const DecodedQuery& query,
                           const std::vector<std::string>& ids) {
  std::vector<std::string> shown;
  for (const std::string& id : ids) {
    if (shown.size() == kShownIds) break;
    shown.push_back(absl::StrCat("\"", CutText(id, kShownBytes), "\""));
  }
  if (ids.size() > shown.size()) {
    shown.push_back(absl::StrCat(ids.size() - shown.size(), " more"));
  }
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_RECORD_UNKNOWN,
      absl::StrCat(
          "the index of collection \"", query.collection,
          "\" has no vector of ", absl::StrJoin(shown, ", "),
          ": there is no such record, it has no text, or its vector is "
          "still to be made; for a record that was just written, send "
          "the write's position as min_position"),
      {{"collection", query.collection},
       {"id", CutText(ids.front(), kShownBytes)}});
}

}  // namespace engram::search
