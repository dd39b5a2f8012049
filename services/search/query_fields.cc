#include "services/search/query_fields.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/filter.h"
#include "services/search/held_field.h"

namespace engram::search {
namespace {

constexpr int kDefaultGroupSize = 1;
constexpr int kMaxGroupSize = 100;
constexpr int kMaxFacets = 8;

std::string FacetPath(size_t i) { return absl::StrCat("facets[", i, "]"); }

}  // namespace

void DecodeFieldsAsked(const v1::QueryRequest& request, DecodedQuery& query,
                       FieldViolations& violations) {
  query.group_by = request.group_by();
  query.group_size =
      request.group_size() == 0 ? kDefaultGroupSize : request.group_size();
  if (query.group_size < 0 || query.group_size > kMaxGroupSize) {
    violations.Add(
        "group_size",
        absl::StrCat("is ", query.group_size, "; send 1 to ", kMaxGroupSize,
                     ", or 0 for ", kDefaultGroupSize));
  } else if (query.group_by.empty() && request.group_size() != 0) {
    violations.Add("group_size",
                   "is set without group_by; name a field there, or leave it "
                   "out");
  }
  query.facets = {request.facets().begin(), request.facets().end()};
  if (query.facets.size() > kMaxFacets) {
    violations.Add("facets",
                   absl::StrCat("names ", query.facets.size(),
                                " fields; send at most ", kMaxFacets));
    return;
  }
  std::set<std::string> names;
  for (size_t i = 0; i < query.facets.size(); ++i) {
    if (names.insert(query.facets[i]).second) continue;
    violations.Add(FacetPath(i), "is named before; leave it out");
  }
}

void DecodeDiversity(const v1::QueryRequest& request, DecodedQuery& query,
                     FieldViolations& violations) {
  query.diversity = request.diversity();
  // So that what is no number is refused, too.
  if (!(query.diversity >= 0 && query.diversity <= 1)) {
    violations.Add("diversity",
                   absl::StrCat("is ", query.diversity, "; send 0 to 1"));
  } else if (query.diversity > 0 && query.offset > 0) {
    violations.Add("offset",
                   "is set beside diversity, whose pages would not fit "
                   "together; raise limit instead");
  }
}

void ReadFields(const DecodedQuery& query, ReadFilter& read,
                FieldViolations& violations) {
  const CollectionSchema& schema = *read.schema;
  if (!query.group_by.empty()) {
    const absl::StatusOr<int> place = PlaceOfHeldField(schema, query.group_by);
    if (!place.ok()) {
      violations.Add("group_by", place.status().message());
    } else if (TypeOfPlace(schema, *place) == schema::FieldType::kStrings) {
      violations.Add("group_by",
                     absl::StrCat("names \"", query.group_by,
                                  "\", a list, by which a record would be in "
                                  "several groups; name a field of one value"));
    } else {
      read.group = *place;
    }
  }
  for (size_t i = 0; i < query.facets.size(); ++i) {
    const absl::StatusOr<int> place = PlaceOfHeldField(schema, query.facets[i]);
    if (place.ok()) {
      read.facets.push_back(*place);
    } else {
      violations.Add(FacetPath(i), place.status().message());
    }
  }
  const bool asks_for_values = !query.group_by.empty() || !query.facets.empty();
  read.is_complete =
      !query.filter.empty() && (asks_for_values || query.diversity > 0);
  if (!read.is_complete) return;
  for (const int place : filter::PlacesUsed(read.condition)) {
    if (IsHeld(schema, place)) continue;
    violations.Add(
        "filter",
        absl::StrCat("names \"", NameOfPlace(schema, place),
                     "\", which search does not hold; beside group_by, facets "
                     "and diversity it may only name fields that it does: "
                     "declare this one with `index: true`, or leave these "
                     "out"));
    return;
  }
}

}  // namespace engram::search
