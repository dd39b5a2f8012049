#ifndef ENGRAM_SERVICES_SEARCH_QUERY_FIELDS_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_FIELDS_H_

#include "engram/search/v1/search.pb.h"
#include "libs/status/errors.h"
#include "services/search/attribute_columns.h"
#include "services/search/query_decoder.h"

namespace engram::search {

// What of a query takes the values of fields, beside its filter: groups and
// facets; and diversity, which the filter's fields must be held for.

// Decodes `group_by`, `group_size` and `facets`.
void DecodeFieldsAsked(const v1::QueryRequest& request, DecodedQuery& query,
                       FieldViolations& violations);

// Decodes `diversity`.
void DecodeDiversity(const v1::QueryRequest& request, DecodedQuery& query,
                     FieldViolations& violations);

// Finds the fields in the schema of `read`, and checks that search holds them,
// and those of the filter where that is to be answered here.
void ReadFields(const DecodedQuery& query, ReadFilter& read,
                FieldViolations& violations);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_FIELDS_H_
