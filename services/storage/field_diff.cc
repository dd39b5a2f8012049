#include "services/storage/field_diff.h"

#include <algorithm>

namespace engram::storage {
namespace {

using schema::FieldSpec;
using schema::FieldValue;

bool IsSet(const FieldValue& value) { return value.index() != 0; }

bool AllowsFewer(const FieldSpec& before, const FieldSpec& after) {
  if (after.one_of.empty()) return false;
  // Both are sorted.
  return before.one_of.empty() ||
         !std::includes(after.one_of.begin(), after.one_of.end(),
                        before.one_of.begin(), before.one_of.end());
}

}  // namespace

std::vector<std::string> ChangedAttributes(const FieldSpec& before,
                                           const FieldSpec& after) {
  std::vector<std::string> changed;
  const auto compare = [&](const char* attribute, bool is_same) {
    if (!is_same) changed.push_back(attribute);
  };
  compare("required", before.required == after.required);
  compare("default", before.default_value == after.default_value &&
                         before.default_now == after.default_now);
  compare("on_update", before.on_update_now == after.on_update_now);
  compare("one_of", before.one_of == after.one_of);
  compare("min", before.min == after.min);
  compare("max", before.max == after.max);
  compare("max_length", before.max_length == after.max_length);
  compare("pattern", before.pattern == after.pattern);
  compare("collate", before.nocase == after.nocase);
  compare("render", before.render_string == after.render_string);
  compare("immutable", before.immutable == after.immutable);
  compare("merge", before.merge == after.merge &&
                       before.merge_expression == after.merge_expression);
  compare("extract", before.extract == after.extract);
  compare("on_delete", before.on_delete == after.on_delete);
  return changed;
}

bool HasRules(const FieldSpec& field) {
  return field.required || !field.one_of.empty() || IsSet(field.min) ||
         IsSet(field.max) || field.max_length.has_value() ||
         !field.pattern.empty();
}

bool TightensRules(const FieldSpec& before, const FieldSpec& after) {
  // The rules speak of other values then.
  if (before.type != after.type) return HasRules(after);
  if (after.required && !before.required) return true;
  if (AllowsFewer(before, after)) return true;
  if (IsSet(after.min) && (!IsSet(before.min) || before.min < after.min)) {
    return true;
  }
  if (IsSet(after.max) && (!IsSet(before.max) || after.max < before.max)) {
    return true;
  }
  if (after.max_length.has_value() &&
      (!before.max_length.has_value() ||
       *after.max_length < *before.max_length)) {
    return true;
  }
  return !after.pattern.empty() && after.pattern != before.pattern;
}

}  // namespace engram::storage
