#include "libs/schema/record_scope.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace engram::schema {
namespace {

using filter::Name;

struct SystemName {
  absl::string_view name;
  FieldType type;
  int place;
};

constexpr SystemName kSystemNames[] = {
    {"id", FieldType::kString, kIdPlace},
    {"_version", FieldType::kInt, kVersionPlace},
    {"_create_time", FieldType::kTimestamp, kCreateTimePlace},
    {"_update_time", FieldType::kTimestamp, kUpdateTimePlace},
    {"_expire_time", FieldType::kTimestamp, kExpireTimePlace},
};

constexpr absl::string_view kSentPrefix = "new.";

std::optional<Name> FindField(const CollectionSpec& spec,
                              absl::string_view name) {
  const int place = spec.FieldIndex(name);
  if (place < 0) return std::nullopt;
  const FieldSpec& field = spec.fields[place];
  return Name{field.type, place, field.nocase};
}

}  // namespace

std::optional<Name> RecordScope::Find(absl::string_view name) const {
  if (auto field = FindField(spec_, name)) return field;
  for (const SystemName& known : kSystemNames) {
    if (known.name == name) return Name{known.type, known.place};
  }
  return std::nullopt;
}

std::vector<std::string> RecordScope::Names() const {
  std::vector<std::string> names;
  for (const FieldSpec& field : spec_.fields) names.push_back(field.name);
  for (const SystemName& known : kSystemNames) names.emplace_back(known.name);
  return names;
}

std::optional<Name> MergeScope::Find(absl::string_view name) const {
  if (!absl::ConsumePrefix(&name, kSentPrefix)) return RecordScope::Find(name);
  auto sent = FindField(spec_, name);
  if (sent.has_value()) sent->place += kSentPlace;
  return sent;
}

std::vector<std::string> MergeScope::Names() const {
  std::vector<std::string> names = RecordScope::Names();
  for (const FieldSpec& field : spec_.fields) {
    names.push_back(absl::StrCat(kSentPrefix, field.name));
  }
  return names;
}

}  // namespace engram::schema
