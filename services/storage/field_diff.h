// How one form of a field differs from another.

#ifndef ENGRAM_SERVICES_STORAGE_FIELD_DIFF_H_
#define ENGRAM_SERVICES_STORAGE_FIELD_DIFF_H_

#include <string>
#include <vector>

#include "libs/schema/collection_spec.h"

namespace engram::storage {

// The attributes that differ, by the names that schemas use, in a fixed order;
// not type, generated and the name, which are more than rules.
std::vector<std::string> ChangedAttributes(const schema::FieldSpec& before,
                                           const schema::FieldSpec& after);

// Whether the field has a rule that values can break.
bool HasRules(const schema::FieldSpec& field);

// Whether a value that kept the rules of `before` may break one of `after`.
bool TightensRules(const schema::FieldSpec& before,
                   const schema::FieldSpec& after);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FIELD_DIFF_H_
