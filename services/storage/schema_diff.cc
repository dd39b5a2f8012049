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
    for (const schema::VectorFieldSpec& spec : after.spec.vectors) {
      const auto place = static_cast<int>(after.vectors.size());
      VectorField& field = after.vectors.emplace_back();
      field.name = spec.name;
      const VectorField* const before = FindVectors(change, spec.name);
      ASSIGN_OR_RETURN(Generation declared, Declare(change, before, spec));
      CheckDimensions(declaration, spec, declared);
      const Generation* const same =
          before == nullptr ? nullptr : FindSame(change, *before, declared);
      if (same != nullptr) {
        declared = *same;
        declared.spec = spec;
        declared.declared = true;
        declared.awaits_cutover |= !same->declared && !same->serves;
        if (!same->declared) change.redeclared_vectors.push_back(place);
      } else {
        declared.id = next_generation_++;
        change.new_vectors.push_back(place);
      }
      field.generations.push_back(std::move(declared));
      if (before != nullptr) KeepOthers(change, *before, field);
      std::vector<Generation>& all = field.generations;
      if (std::none_of(all.begin(), all.end(), IsServing)) {
        all.front().serves = true;
        all.front().awaits_cutover = false;
        all.front().retired_us.reset();
      }
      std::stable_partition(all.begin(), all.end(), IsServing);
    }
    if (change.before == nullptr) return absl::OkStatus();
    for (const VectorField& field : change.before->vectors) {
      if (after.spec.FindVector(field.name) != nullptr) continue;
      for (const Generation& generation : field.generations) {
        change.dropped_generations.push_back(generation.id);
      }
    }
    return absl::OkStatus();
  }

  static bool IsServing(const Generation& generation) {
    return generation.serves;
  }

  // The generation that `spec` declares, as if it were a new one.
  absl::StatusOr<Generation> Declare(const CollectionChange& change,
                                     const VectorField* before,
                                     const schema::VectorFieldSpec& spec) {
    Generation declared;
    if (before != nullptr && KeepsModel(*change.before, spec)) {
      // Not what `default` is by now.
      const Generation& kept = before->declared();
      declared.model = kept.model;
      declared.fingerprint = kept.fingerprint;
      declared.dimensions = kept.dimensions;
      // But what the model of this name makes by now, if it is offered.
      for (const Model& model : models_) {
        if (spec.supplied || model.name() != kept.model) continue;
        declared.fingerprint = model.fingerprint();
        declared.dimensions = model.dimensions();
      }
    } else {
      ASSIGN_OR_RETURN(declared, ResolveModel(spec, models_));
    }
    declared.spec = spec;
    declared.serves = false;
    declared.awaits_cutover = true;
    return declared;
  }

  // Among the generations that there are, the one that is made as `declared`.
  static const Generation* FindSame(const CollectionChange& change,
                                    const VectorField& before,
                                    const Generation& declared) {
    for (const Generation& generation : before.generations) {
      if (MakesTheSame(change, generation, declared)) return &generation;
    }
    return nullptr;
  }

  // Adds to `field`, which has what is declared, those generations of `before`
  // that stay beside it: they serve, or did, and their sources have the same
  // values still. The others are dropped.
  static void KeepOthers(CollectionChange& change, const VectorField& before,
                         VectorField& field) {
    const Generation declared = field.generations.front();
    for (const Generation& generation : before.generations) {
      if (generation.id == declared.id) continue;
      const bool is_of_use =
          generation.serves || generation.retired_us.has_value();
      const auto renames = MatchSources(change, generation);
      if (!is_of_use || !renames.has_value() || generation.supplied() ||
          declared.supplied()) {
        change.dropped_generations.push_back(generation.id);
        continue;
      }
      Generation& kept = field.generations.emplace_back(generation);
      kept.declared = false;
      kept.awaits_cutover = false;
      for (std::string& source : kept.spec.source) {
        const int origin = change.before->spec.FieldIndex(source);
        source = change.after->spec.fields[PlaceAfter(change, origin)].name;
      }
      kept.spec.text_template =
          absl::StrReplaceAll(kept.spec.text_template, *renames);
    }
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

  using Renames = std::vector<std::pair<std::string, std::string>>;

  // Says how the template has to name the sources of vectors that exist;
  // nothing if one of them is gone, or gets other values.
  static std::optional<Renames> MatchSources(const CollectionChange& change,
                                             const Generation& generation) {
    Renames renames;
    for (const int source : generation.sources) {
      const int place = PlaceAfter(change, source);
      if (place < 0) return std::nullopt;
      const schema::FieldSpec& before = change.before->spec.fields[source];
      const schema::FieldSpec& after = change.after->spec.fields[place];
      if (GetsOtherValues(before, after)) return std::nullopt;
      renames.emplace_back(absl::StrCat("{", before.name, "}"),
                           absl::StrCat("{", after.name, "}"));
    }
    return renames;
  }

  // Whether vectors that exist are the ones that the declaration makes.
  static bool MakesTheSame(const CollectionChange& change,
                           const Generation& generation,
                           const Generation& declared) {
    const schema::VectorFieldSpec& old = generation.spec;
    const schema::VectorFieldSpec& spec = declared.spec;
    if (old.supplied != spec.supplied || old.metric != spec.metric ||
        old.chunking != spec.chunking ||
        old.source.size() != spec.source.size() ||
        generation.fingerprint != declared.fingerprint ||
        generation.dimensions != declared.dimensions) {
      return false;
    }
    const std::optional<Renames> renames = MatchSources(change, generation);
    if (!renames.has_value()) return false;
    for (size_t i = 0; i < spec.source.size(); ++i) {
      const int place = change.after->spec.FieldIndex(spec.source[i]);
      if (change.origins[place] != generation.sources[i]) return false;
    }
    return absl::StrReplaceAll(old.text_template, *renames) ==
           spec.text_template;
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
