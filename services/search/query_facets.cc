#include "services/search/query_facets.h"

#include <vector>

#include "libs/schema/field_value.h"
#include "libs/status/status_macros.h"
#include "services/search/facet_counter.h"
#include "services/search/held_field.h"

namespace engram::search {

absl::Status AddFacets(const ReadFilter& filter, const MatchingRows& rows,
                       const ExpiryTable& expiries, absl::Time now,
                       google::protobuf::RepeatedPtrField<v1::Facet>& facets) {
  const std::vector<int64_t> expired = expiries.ExpiredRows(now);
  for (const int place : filter.facets) {
    ASSIGN_OR_RETURN(const FacetCount counted,
                     CountFacet(rows, place, expired));
    const schema::FieldType type = TypeOfPlace(*filter.schema, place);
    v1::Facet& facet = *facets.Add();
    facet.set_field(NameOfPlace(*filter.schema, place));
    facet.set_value_count(counted.value_count);
    for (const auto& [value, count] : counted.values) {
      v1::FacetValue& of_value = *facet.add_values();
      // Of a list, an element.
      RETURN_IF_ERROR(schema::EncodeValue(type == schema::FieldType::kStrings
                                              ? schema::FieldType::kString
                                              : type,
                                          value, of_value.mutable_value()));
      of_value.set_count(count);
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::search
