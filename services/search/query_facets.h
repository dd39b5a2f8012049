#ifndef ENGRAM_SERVICES_SEARCH_QUERY_FACETS_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_FACETS_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/search/attribute_columns.h"
#include "services/search/expiry_table.h"

namespace engram::search {

// Counts the values that the records which meet the filter, and have not
// expired, have of the fields that it asks for. Appends to `facets`.
// `DeadlineExceeded` if that takes too long.
absl::Status AddFacets(const ReadFilter& filter, const MatchingRows& rows,
                       const ExpiryTable& expiries, absl::Time now,
                       google::protobuf::RepeatedPtrField<v1::Facet>& facets);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_FACETS_H_
