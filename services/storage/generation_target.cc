#include "services/storage/generation_target.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"

namespace engram::storage {

absl::StatusOr<const VectorField*> FindVectorField(const Collection& collection,
                                                   absl::string_view name) {
  if (name.empty() && collection.vectors.size() == 1) {
    return &collection.vectors.front();
  }
  for (const VectorField& field : collection.vectors) {
    if (field.name == name) return &field;
  }
  const std::string names = absl::StrJoin(
      collection.vectors, ", ", [](std::string* out, const VectorField& field) {
        out->append(field.name);
      });
  return MakeError(
      absl::StatusCode::kNotFound,
      common::v1::ERROR_REASON_VECTOR_FIELD_UNKNOWN,
      absl::StrCat("collection \"", collection.name(), "\" has ",
                   collection.vectors.empty()
                       ? "no vector field"
                       : absl::StrCat("the vector fields ", names,
                                      name.empty() ? ": name one" : ", not \""),
                   name,
                   name.empty() || collection.vectors.empty() ? "" : "\""),
      {{"collection", collection.name()}});
}

absl::StatusOr<const Generation*> FindGeneration(const Collection& collection,
                                                 const VectorField& field,
                                                 int64_t generation) {
  const Generation* const found = field.Find(generation);
  if (found != nullptr) return found;
  const std::string known = absl::StrJoin(
      field.generations, ", ", [](std::string* out, const Generation& other) {
        absl::StrAppend(out, other.id);
      });
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_GENERATION_UNKNOWN,
      absl::StrCat("vector field \"", field.name, "\" of collection \"",
                   collection.name(), "\" has no generation ", generation,
                   "; it has ", known),
      {{"collection", collection.name()},
       {"vector_field", field.name},
       {"generations", known}});
}

}  // namespace engram::storage
