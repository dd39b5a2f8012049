#include "services/storage/schema_diff.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/schema/schema_check.h"
#include "libs/schema/typed_schema.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/value_conversion.h"

namespace engram::storage {
namespace {

using common::v1::Model;

absl::Status ModelUnknown(const schema::VectorFieldSpec& field,
                          absl::Span<const Model> models) {
  const std::string known = absl::StrJoin(
      models, ", ",
      [](std::string* out, const Model& model) { out->append(model.name()); });
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_MODEL_UNKNOWN,
      absl::StrCat(
          "vector field \"", field.name, "\": no model \"", field.model,
          "\" is registered; registered: ",
          known.empty() ? "none; is an embedding service running?" : known),
      {{"model", field.model}, {"registered", known}});
}

absl::StatusOr<Generation> ResolveModel(const schema::VectorFieldSpec& field,
                                        absl::Span<const Model> models) {
  if (field.supplied) return Generation{.dimensions = field.dimensions};
  for (const Model& model : models) {
    const bool is_meant = field.model == "default"
                              ? model.is_default()
                              : model.name() == field.model;
    if (!is_meant) continue;
    return Generation{.model = model.name(),
                      .fingerprint = model.fingerprint(),
                      .dimensions = model.dimensions()};
  }
  return ModelUnknown(field, models);
}

class Differ {
 public:
  Differ(const SchemaState& state, const SchemaGoal& goal,
         absl::Span<const Model> models)
      : state_(state),
        goal_(goal),
        models_(models),
        next_collection_(state.next_collection),
        next_generation_(state.next_generation) {}

  absl::StatusOr<std::vector<CollectionChange>> Run() {
    CheckNames();
    RETURN_IF_ERROR(violations_.ToStatus());
    MatchCollections();
    CheckReferences();
    RETURN_IF_ERROR(violations_.ToStatus());
    RETURN_IF_ERROR(CheckDropped());
    const size_t dropped = changes_.size() - after_.size();
    for (size_t i = 0; i < after_.size(); ++i) {
      RETURN_IF_ERROR(
          Complete(changes_[dropped + i], goal_.declared[i], *after_[i]));
    }
    RETURN_IF_ERROR(violations_.ToStatus());
    return std::move(changes_);
  }

 private:
  void CheckNames() {
    std::set<std::string> names;
    std::vector<const schema::CollectionSpec*> declared;
    for (const DeclaredCollection& declaration : goal_.declared) {
      declared.push_back(&declaration.spec);
      if (names.insert(declaration.spec.name).second) continue;
      violations_.Add(
          declaration.path,
          absl::StrCat("declares collection \"", declaration.spec.name,
                       "\", which an earlier document declares"));
    }
    schema::CheckRenames(declared,
                         [this](auto collection, auto path, auto problem) {
                           violations_.Add(PathIn(collection, path), problem);
                         });
  }

  std::string PathIn(absl::string_view collection, absl::string_view path) {
    for (const DeclaredCollection& declaration : goal_.declared) {
      if (declaration.spec.name == collection) {
        return absl::StrCat(declaration.path, ".", path);
      }
    }
    // One that no document declares, whose ref has lost its target.
    return absl::StrCat(collection, ".", path);
  }

  CollectionPtr FindByName(absl::string_view name) const {
    for (const CollectionPtr& collection : state_.collections) {
      if (collection->name() == name) return collection;
    }
    return nullptr;
  }

  // The collection that the declared one is a new form of; null if it is new.
  CollectionPtr Before(const DeclaredCollection& declaration) const {
    if (declaration.collection != 0) {
      for (const CollectionPtr& collection : state_.collections) {
        if (collection->id == declaration.collection) return collection;
      }
      return nullptr;
    }
    CollectionPtr same = FindByName(declaration.spec.name);
    if (same != nullptr || declaration.spec.renamed_from.empty()) return same;
    return FindByName(declaration.spec.renamed_from);
  }

  void MatchCollections() {
    std::set<int64_t> kept;
    std::vector<CollectionChange> declared;
    for (const DeclaredCollection& declaration : goal_.declared) {
      CollectionChange& change = declared.emplace_back();
      change.before = Before(declaration);
      auto after = std::make_shared<Collection>();
      after->spec = declaration.spec;
      after->yaml = declaration.yaml;
      after->schema_version = state_.version;
      if (change.before != nullptr) {
        kept.insert(change.before->id);
        after->id = change.before->id;
        after->created_us = change.before->created_us;
        const auto records = state_.records.find(after->id);
        if (records != state_.records.end()) change.records = records->second;
      } else {
        after->id = next_collection_++;
      }
      change.after = after;
      after_.push_back(std::move(after));
    }
    for (const CollectionPtr& collection : state_.collections) {
      if (kept.contains(collection->id)) continue;
      if (goal_.prune) {
        const auto records = state_.records.find(collection->id);
        changes_.push_back(
            {.before = collection,
             .records = records == state_.records.end() ? 0 : records->second});
      } else {
        untouched_.push_back(collection);
      }
    }
    for (CollectionChange& change : declared) {
      changes_.push_back(std::move(change));
    }
  }

  void CheckReferences() {
    std::vector<const schema::CollectionSpec*> all;
    for (const auto& collection : after_) all.push_back(&collection->spec);
    for (const CollectionPtr& collection : untouched_) {
      all.push_back(&collection->spec);
    }
    schema::CheckReferences(
        all, [this](auto collection, auto path, auto problem) {
          if (IsDropped(collection, path)) return;
          violations_.Add(PathIn(collection, path), problem);
        });
  }

  // Whether the field at `path` refers to a collection that goes, which has an
  // error of its own.
  bool IsDropped(absl::string_view collection, absl::string_view path) const {
    for (const auto& [dropped, referrer] : DroppedTargets()) {
      if (referrer.first->name == collection &&
          path == absl::StrCat("fields.", referrer.second->name, ".type")) {
        return true;
      }
    }
    return false;
  }

  using RefField =
      std::pair<const schema::CollectionSpec*, const schema::FieldSpec*>;

  // Refs that stay, of collections that go.
  std::vector<std::pair<std::string, RefField>> DroppedTargets() const {
    std::vector<std::pair<std::string, RefField>> targets;
    for (const CollectionChange& change : changes_) {
      if (change.after != nullptr) continue;
      for (const auto& collection : after_) {
        AddRefsTo(change.before->name(), collection->spec, targets);
      }
    }
    return targets;
  }

  static void AddRefsTo(
      const std::string& target, const schema::CollectionSpec& spec,
      std::vector<std::pair<std::string, RefField>>& targets) {
    for (const schema::FieldSpec& field : spec.fields) {
      if (field.type == schema::FieldType::kRef && field.target == target) {
        targets.push_back({target, {&spec, &field}});
      }
    }
  }

  absl::Status CheckDropped() const {
    for (const auto& [dropped, referrer] : DroppedTargets()) {
      const std::string field =
          absl::StrCat(referrer.first->name, ".", referrer.second->name);
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       common::v1::ERROR_REASON_COLLECTION_REFERENCED,
                       absl::StrCat("collection \"", dropped,
                                    "\" cannot be dropped: \"", field,
                                    "\" refers to it; drop that field too, or "
                                    "declare \"",
                                    dropped, "\""),
                       {{"collection", dropped}, {"field", field}});
    }
    return absl::OkStatus();
  }

  // Fills in what `after` has beside its spec.
  absl::Status Complete(CollectionChange& change,
                        const DeclaredCollection& declaration,
                        Collection& after) {
    MatchFields(change, declaration);
    RETURN_IF_ERROR(NumberFields(change, declaration, after));
    RETURN_IF_ERROR(MatchVectors(change, declaration, after));
    CompileCollection(after);
    return absl::OkStatus();
  }

  static int PlaceOfNumber(const Collection& before, int number) {
    const std::vector<int>& numbers = before.typed.numbers;
    const auto found = std::find(numbers.begin(), numbers.end(), number);
    return found == numbers.end() ? -1
                                  : static_cast<int>(found - numbers.begin());
  }

  void MatchFields(CollectionChange& change,
                   const DeclaredCollection& declaration) {
    const std::vector<schema::FieldSpec>& fields = change.after->spec.fields;
    change.origins.assign(fields.size(), -1);
    if (change.before == nullptr) return;
    const Collection& before = *change.before;
    std::set<int> taken;
    const auto match = [&](size_t place, int origin) {
      if (origin < 0 || change.origins[place] >= 0) return;
      if (taken.insert(origin).second) change.origins[place] = origin;
    };
    for (size_t i = 0; i < declaration.numbers.size(); ++i) {
      match(i, PlaceOfNumber(before, declaration.numbers[i]));
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      match(i, before.spec.FieldIndex(fields[i].name));
    }
    if (!declaration.numbers.empty()) return;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].renamed_from.empty()) continue;
      match(i, before.spec.FieldIndex(fields[i].renamed_from));
    }
  }

  static absl::Status NumberFields(const CollectionChange& change,
                                   const DeclaredCollection& declaration,
                                   Collection& after) {
    const std::vector<schema::FieldSpec>& fields = after.spec.fields;
    std::vector<int>& numbers = after.typed.numbers;
    numbers.assign(fields.size(), 0);
    // All that there ever were.
    schema::TypedLayout all;
    if (change.before != nullptr) all = change.before->typed;
    all.numbers.insert(all.numbers.end(), declaration.numbers.begin(),
                       declaration.numbers.end());
    for (size_t i = 0; i < fields.size(); ++i) {
      const int origin = change.origins[i];
      if (origin >= 0 &&
          AreWireCompatible(change.before->spec.fields[origin].type,
                            fields[i].type)) {
        numbers[i] = change.before->typed.numbers[origin];
      } else if (!declaration.numbers.empty()) {
        // What it was once; no other field has had it since.
        numbers[i] = declaration.numbers[i];
      } else {
        ASSIGN_OR_RETURN(numbers[i], schema::NextFieldNumber(all));
        all.numbers.push_back(numbers[i]);
      }
    }
    return absl::OkStatus();
  }

  absl::Status MatchVectors(CollectionChange& change,
                            const DeclaredCollection& declaration,
                            Collection& after) {
    std::set<std::string> kept;
    for (const schema::VectorFieldSpec& field : after.spec.vectors) {
      VectorField& vectors = after.vectors.emplace_back();
      vectors.name = field.name;
      const VectorField* const before = FindVectors(change, field.name);
      if (before != nullptr && KeepsModel(*change.before, field)) {
        vectors.generation = before->generation;
      } else {
        ASSIGN_OR_RETURN(vectors.generation, ResolveModel(field, models_));
        CheckDimensions(declaration, field, vectors.generation);
      }
      if (before != nullptr &&
          MakesTheSame(change, *before, field, vectors.generation)) {
        vectors.generation = before->generation;
        kept.insert(field.name);
        continue;
      }
      vectors.generation.id = next_generation_++;
      change.new_vectors.push_back(static_cast<int>(after.vectors.size()) - 1);
    }
    if (change.before == nullptr) return absl::OkStatus();
    for (size_t i = 0; i < change.before->vectors.size(); ++i) {
      if (kept.contains(change.before->vectors[i].name)) continue;
      change.old_vectors.push_back(static_cast<int>(i));
    }
    return absl::OkStatus();
  }

  void CheckDimensions(const DeclaredCollection& declaration,
                       const schema::VectorFieldSpec& field,
                       const Generation& generation) {
    if (field.dimensions == 0 || field.dimensions == generation.dimensions) {
      return;
    }
    violations_.Add(
        absl::StrCat(declaration.path, ".vectors.", field.name, ".dimensions"),
        absl::StrCat("is ", field.dimensions, ", but model \"",
                     generation.model, "\" has ", generation.dimensions,
                     "; leave it out"));
  }

  static const VectorField* FindVectors(const CollectionChange& change,
                                        absl::string_view name) {
    if (change.before == nullptr) return nullptr;
    for (const VectorField& field : change.before->vectors) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }

  // Whether the model is declared as before, so that a new default does not
  // take its place.
  static bool KeepsModel(const Collection& before,
                         const schema::VectorFieldSpec& field) {
    const schema::VectorFieldSpec& old = *before.spec.FindVector(field.name);
    return old.supplied == field.supplied && old.model == field.model &&
           old.dimensions == field.dimensions;
  }

  // Whether an apply changes the values of records that exist.
  static bool GetsOtherValues(const schema::FieldSpec& before,
                              const schema::FieldSpec& after) {
    return ConversionBetween(before.type, after.type) != Conversion::kNone ||
           before.extract != after.extract ||
           (after.required && !before.required &&
            after.default_value.index() != 0);
  }

  // Whether vectors that exist are the ones that the declaration makes.
  static bool MakesTheSame(const CollectionChange& change,
                           const VectorField& before,
                           const schema::VectorFieldSpec& field,
                           const Generation& generation) {
    const schema::VectorFieldSpec& old =
        *change.before->spec.FindVector(field.name);
    if (old.supplied != field.supplied || old.metric != field.metric ||
        old.chunking != field.chunking ||
        old.source.size() != field.source.size() ||
        before.generation.fingerprint != generation.fingerprint ||
        before.generation.dimensions != generation.dimensions) {
      return false;
    }
    std::vector<std::pair<std::string, std::string>> renames;
    for (size_t i = 0; i < field.source.size(); ++i) {
      const int place = change.after->spec.FieldIndex(field.source[i]);
      if (change.origins[place] != before.sources[i]) return false;
      const schema::FieldSpec& origin =
          change.before->spec.fields[before.sources[i]];
      if (GetsOtherValues(origin, change.after->spec.fields[place])) {
        return false;
      }
      renames.push_back({absl::StrCat("{", origin.name, "}"),
                         absl::StrCat("{", field.source[i], "}")});
    }
    return absl::StrReplaceAll(old.text_template, renames) ==
           field.text_template;
  }

  const SchemaState& state_;
  const SchemaGoal& goal_;
  const absl::Span<const Model> models_;
  int64_t next_collection_;
  int64_t next_generation_;
  FieldViolations violations_;
  std::vector<CollectionChange> changes_;
  // Of the declared collections, in their order; they end `changes_`.
  std::vector<std::shared_ptr<Collection>> after_;
  // Collections that stay as they are.
  std::vector<CollectionPtr> untouched_;
};

}  // namespace

absl::StatusOr<std::vector<CollectionChange>> DiffSchema(
    const SchemaState& state, const SchemaGoal& goal,
    absl::Span<const Model> models) {
  return Differ(state, goal, models).Run();
}

int PlaceAfter(const CollectionChange& change, int place) {
  const auto found =
      std::find(change.origins.begin(), change.origins.end(), place);
  return found == change.origins.end()
             ? -1
             : static_cast<int>(found - change.origins.begin());
}

}  // namespace engram::storage
