#include "services/search/collection_schema.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/held_fields.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

// The field without what says nothing about its values.
schema::FieldSpec WithoutName(schema::FieldSpec field) {
  field.name.clear();
  field.renamed_from.clear();
  field.indexed = false;
  field.unique = false;
  return field;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const CollectionSchema>> ReadSchema(
    const storage::v1::Collection& collection) {
  auto read = std::make_shared<CollectionSchema>();
  if (collection.schema().empty()) {
    read->spec.name = collection.name();
    return read;
  }
  ASSIGN_OR_RETURN(read->spec, schema::ParseCollection(collection.name(),
                                                       collection.schema()));
  // The document may have an earlier name.
  read->spec.name = collection.name();
  read->layout.numbers.assign(read->spec.fields.size(), 0);
  for (const storage::v1::Field& field : collection.fields()) {
    const int place = read->spec.FieldIndex(field.name());
    if (place >= 0) read->layout.numbers[place] = field.number();
  }
  for (size_t place = 0; place < read->spec.fields.size(); ++place) {
    if (read->layout.numbers[place] != 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "field \"", read->spec.fields[place].name, "\" has no number"));
  }
  read->held = schema::HeldFields(read->spec);
  return read;
}

bool KeepsValues(const CollectionSchema& before, int place_before,
                 const CollectionSchema& after, int place) {
  const schema::FieldSpec& field = after.spec.fields[place];
  if (WithoutName(before.spec.fields[place_before]) != WithoutName(field)) {
    return false;
  }
  // What is computed from other fields changes with them.
  const bool is_computed = !field.generated.empty() || !field.extract.empty();
  return !is_computed || before.spec.fields == after.spec.fields;
}

}  // namespace engram::search
