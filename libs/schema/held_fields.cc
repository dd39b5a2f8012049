#include "libs/schema/held_fields.h"

#include <algorithm>

namespace engram::schema {
namespace {

bool CanBeHeld(FieldType type) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kInt:
    case FieldType::kDouble:
    case FieldType::kBool:
    case FieldType::kTimestamp:
    case FieldType::kStrings:
    case FieldType::kRef:
      return true;
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kBytes:
      return false;
  }
  return false;
}

bool LeadsAnIndex(const CollectionSpec& spec, const FieldSpec& field) {
  const auto leads_key = [&](const std::vector<std::string>& key) {
    return key.front() == field.name;
  };
  const auto leads_index = [&](const IndexSpec& index) {
    return index.columns.front().field == field.name;
  };
  return field.indexed || field.unique ||
         std::any_of(spec.unique.begin(), spec.unique.end(), leads_key) ||
         std::any_of(spec.indexes.begin(), spec.indexes.end(), leads_index);
}

bool ReadsChange(const CollectionSpec& spec, const FieldSpec& field) {
  if (!spec.touch.has_value()) return false;
  return !field.generated.empty() ||
         std::any_of(spec.touch->set.begin(), spec.touch->set.end(),
                     [&](const TouchSpec::Set& set) {
                       return set.field == field.name;
                     });
}

}  // namespace

std::vector<int> HeldFields(const CollectionSpec& spec) {
  std::vector<int> held;
  if (spec.vectors.empty()) return held;
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    const FieldSpec& field = spec.fields[place];
    if (CanBeHeld(field.type) && LeadsAnIndex(spec, field) &&
        !ReadsChange(spec, field)) {
      held.push_back(static_cast<int>(place));
    }
  }
  return held;
}

}  // namespace engram::schema
