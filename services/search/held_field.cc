#include "services/search/held_field.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"

namespace engram::search {
namespace {

// The most of a name that a message repeats.
constexpr size_t kShownBytes = 80;

// Why a field that there is is not held, and what to do.
std::string WhyNotHeld(const CollectionSchema& schema, absl::string_view name,
                       const filter::Name& found) {
  const std::string says = absl::StrCat("search does not hold \"", name, "\"");
  if (found.place < 0) {
    return absl::StrCat(says, "; name a field of the collection");
  }
  switch (found.type) {
    case schema::FieldType::kText:
    case schema::FieldType::kJson:
    case schema::FieldType::kBytes:
      return absl::StrCat(
          says, ", which is of type ", schema::FieldTypeName(found.type),
          "; declare a string field for it, with `index: true`");
    default:
      break;
  }
  const schema::FieldSpec& field = schema.spec.fields[found.place];
  if (field.indexed || field.unique) {
    return absl::StrCat(says,
                        ", which reads change (`touch`), or which is generated "
                        "where they change others; name another field");
  }
  return absl::StrCat(says, "; declare it with `index: true` in collection \"",
                      schema.spec.name, "\"");
}

}  // namespace

bool IsHeld(const CollectionSchema& schema, int place) {
  if (!schema.holds_attributes()) return false;
  return place == schema::kCreateTimePlace ||
         place == schema::kUpdateTimePlace ||
         std::binary_search(schema.held.begin(), schema.held.end(), place);
}

absl::StatusOr<int> PlaceOfHeldField(const CollectionSchema& schema,
                                     absl::string_view name) {
  const schema::RecordScope scope(schema.spec);
  const std::optional<filter::Name> found = scope.Find(name);
  if (!found.has_value()) {
    const std::vector<std::string> names = scope.Names();
    return absl::InvalidArgumentError(absl::StrCat(
        "names \"", CutText(name, kShownBytes),
        "\", which is no field of collection \"", schema.spec.name, "\"",
        schema::DidYouMean(name, {names.begin(), names.end()})));
  }
  if (IsHeld(schema, found->place)) return found->place;
  return absl::InvalidArgumentError(WhyNotHeld(schema, name, *found));
}

std::string NameOfPlace(const CollectionSchema& schema, int place) {
  if (place >= 0) return schema.spec.fields[place].name;
  const schema::RecordScope scope(schema.spec);
  for (const std::string& name : scope.Names()) {
    const std::optional<filter::Name> found = scope.Find(name);
    if (found.has_value() && found->place == place) return name;
  }
  return absl::StrCat("place ", place);
}

schema::FieldType TypeOfPlace(const CollectionSchema& schema, int place) {
  return place < 0 ? schema::FieldType::kTimestamp
                   : schema.spec.fields[place].type;
}

}  // namespace engram::search
