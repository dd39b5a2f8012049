// The expressions of a collection's spec, parsed. The parser of the schema
// language has accepted them, so these cannot fail.

#ifndef ENGRAM_SERVICES_STORAGE_SPEC_EXPRESSIONS_H_
#define ENGRAM_SERVICES_STORAGE_SPEC_EXPRESSIONS_H_

#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/schema/collection_spec.h"

namespace engram::storage {

// A filter over the records of `spec`: a check, or the condition of an index or
// of a roll-up.
filter::Node ParseCondition(const schema::CollectionSpec& spec,
                            absl::string_view text);

// FieldSpec::generated of `field`.
filter::Node ParseGenerated(const schema::CollectionSpec& spec,
                            const schema::FieldSpec& field);

// FieldSpec::merge_expression of `field`.
filter::Node ParseMerge(const schema::CollectionSpec& spec,
                        const schema::FieldSpec& field);

// TouchSpec::Set::expression for the field that it sets.
filter::Node ParseTouch(const schema::CollectionSpec& spec,
                        const schema::TouchSpec::Set& set);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SPEC_EXPRESSIONS_H_
