#ifndef ENGRAM_SERVICES_SEARCH_HELD_FIELD_H_
#define ENGRAM_SERVICES_SEARCH_HELD_FIELD_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/schema/field_value.h"
#include "services/search/collection_schema.h"

namespace engram::search {

// Returns the place of a field whose values search holds; see
// schema::HeldFields and schema::RecordScope. `InvalidArgument` for another
// one, with a clause that says what is to be declared, or what was meant.
absl::StatusOr<int> PlaceOfHeldField(const CollectionSchema& schema,
                                     absl::string_view name);

// Whether search holds the values at a place.
bool IsHeld(const CollectionSchema& schema, int place);

// The name at a place, as filters use it.
std::string NameOfPlace(const CollectionSchema& schema, int place);

// The type of what is at a place of a held field.
schema::FieldType TypeOfPlace(const CollectionSchema& schema, int place);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_HELD_FIELD_H_
