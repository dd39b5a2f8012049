#include "services/storage/schema_planner.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_planner.h"
#include "services/storage/collection_table.h"
#include "services/storage/content_hash.h"
#include "services/storage/dropped_generations.h"
#include "services/storage/schema_diff.h"

namespace engram::storage {
namespace {

// Appends a part of what the hash is of, so that no two lists of parts are the
// same text.
void AppendPart(absl::string_view part, std::string& text) {
  absl::StrAppend(&text, part.size(), ":", part);
}

std::string HashPlan(const SchemaPlan& plan, const SchemaGoal& goal) {
  std::string text;
  AppendPart(absl::StrCat(plan.base, goal.prune ? " prune" : ""), text);
  for (const DeclaredCollection& declared : goal.declared) {
    AppendPart(declared.yaml, text);
  }
  for (const SchemaStep& step : plan.steps) {
    AppendPart(step.collection, text);
    AppendPart(step.summary, text);
    for (const std::string& sql : step.sql) AppendPart(sql, text);
  }
  return absl::BytesToHexString(ContentHash::Of(text).bytes());
}

CollectionSteps PlanDrop(const CollectionChange& change) {
  const Collection& before = *change.before;
  SchemaStep step = {
      .summary = absl::StrCat("drop collection \"", before.name(), "\""),
      .records = change.records,
      .destructive = true,
      .wants_backup = true};
  for (const SideObject& object :
       SideObjects(before.id, before.spec, before.typed.numbers)) {
    if (!object.belongs_to_table()) step.sql.push_back(object.drop);
  }
  for (const VectorField& field : before.vectors) {
    for (const Generation& generation : field.generations) {
      for (std::string& sql : DropGenerationSql(generation.id)) {
        step.sql.push_back(std::move(sql));
      }
    }
  }
  step.sql.push_back(
      absl::StrCat("DROP TABLE ", QuoteIdentifier(before.name())));
  CollectionSteps steps;
  steps.dropped.push_back(std::move(step));
  return steps;
}

CollectionSteps PlanCreate(const CollectionChange& change) {
  const Collection& after = *change.after;
  SchemaStep step = {
      .summary = absl::StrCat("create collection \"", after.name(), "\"")};
  step.sql.push_back(CreateTableSql(after.spec, after.name()));
  for (const SideObject& object :
       SideObjects(after.id, after.spec, after.typed.numbers)) {
    step.sql.push_back(object.create);
  }
  for (const VectorField& field : after.vectors) {
    step.sql.push_back(field.serving().create_table);
  }
  CollectionSteps steps;
  steps.changed.push_back(std::move(step));
  for (size_t i = 0; i < after.spec.rollups.size(); ++i) {
    steps.computed.push_back(
        {.kind = SchemaStep::Kind::kRollUp,
         .summary = absl::StrCat("compute the roll-up of \"",
                                 after.spec.rollups[i].parent, "\""),
         .rollup = static_cast<int>(i)});
  }
  return steps;
}

// Renames come before all else, so that what is dropped or renamed away leaves
// its name to others. Where a name is still taken by another collection that
// is renamed itself, both go through a name of their own.
void PlanRenames(SchemaPlan& plan) {
  std::set<std::string> old_names;
  for (const CollectionChange& change : plan.changes) {
    if (change.before != nullptr && change.after != nullptr &&
        change.before->name() != change.after->name()) {
      old_names.insert(change.before->name());
    }
  }
  std::vector<SchemaStep> aside;
  for (size_t i = 0; i < plan.changes.size(); ++i) {
    const CollectionChange& change = plan.changes[i];
    if (change.before == nullptr || change.after == nullptr ||
        change.before->name() == change.after->name()) {
      continue;
    }
    const std::string& name = change.after->name();
    std::string from = change.before->name();
    if (old_names.contains(name)) {
      const std::string between = absl::StrCat("_renamed_", change.before->id);
      aside.push_back(
          {.collection = name,
           .summary =
               absl::StrCat("move collection \"", from, "\" out of the way"),
           .sql = {absl::StrCat("ALTER TABLE ", QuoteIdentifier(from),
                                " RENAME TO ", QuoteIdentifier(between))},
           .change = static_cast<int>(i)});
      from = between;
    }
    plan.steps.push_back(
        {.collection = name,
         .summary = absl::StrCat("rename collection \"", change.before->name(),
                                 "\" to \"", name, "\""),
         .sql = {absl::StrCat("ALTER TABLE ", QuoteIdentifier(from),
                              " RENAME TO ", QuoteIdentifier(name))},
         .change = static_cast<int>(i)});
  }
  plan.steps.insert(plan.steps.begin(), std::make_move_iterator(aside.begin()),
                    std::make_move_iterator(aside.end()));
}

// The collections by the names that refs use, before and after.
Targets TargetsOf(const SchemaState& state,
                  const std::vector<CollectionChange>& changes) {
  Targets targets;
  for (const CollectionPtr& collection : state.collections) {
    targets.before[collection->name()] = collection->id;
    targets.after[collection->name()] = collection->id;
  }
  for (const CollectionChange& change : changes) {
    if (change.before != nullptr) targets.after.erase(change.before->name());
  }
  for (const CollectionChange& change : changes) {
    if (change.after != nullptr) {
      targets.after[change.after->name()] = change.after->id;
    }
  }
  return targets;
}

}  // namespace

bool SchemaPlan::destructive() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const SchemaStep& step) { return step.destructive; });
}

bool SchemaPlan::wants_backup() const {
  return std::any_of(steps.begin(), steps.end(),
                     [](const SchemaStep& step) { return step.wants_backup; });
}

absl::StatusOr<SchemaPlan> PlanSchema(
    const SchemaState& state, const SchemaGoal& goal,
    absl::Span<const common::v1::Model> models) {
  SchemaPlan plan = {.base = state.version};
  ASSIGN_OR_RETURN(std::vector<CollectionChange> changes,
                   DiffSchema(state, goal, models));
  const Targets targets = TargetsOf(state, changes);
  FieldViolations violations;
  std::vector<CollectionSteps> planned;
  for (CollectionChange& change : changes) {
    std::string path;
    for (const DeclaredCollection& declared : goal.declared) {
      if (change.after == nullptr) break;
      if (declared.spec.name == change.after->name()) path = declared.path;
    }
    CollectionSteps steps =
        change.after == nullptr ? PlanDrop(change)
        : change.before == nullptr
            ? PlanCreate(change)
            : PlanCollection(change, targets, path, violations);
    if (change.after != nullptr) {
      plan.declared.push_back(steps.empty() ? change.before : change.after);
    }
    if (steps.empty()) continue;
    for (const int vectors : change.new_vectors) {
      if (!change.after->vectors[vectors].supplied()) {
        plan.texts_to_embed += change.records;
      }
    }
    plan.changes.push_back(std::move(change));
    planned.push_back(std::move(steps));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  PlanRenames(plan);
  // Each phase over all collections: what is there no more makes room for what
  // comes, and what is computed from another collection finds it finished.
  for (const auto phase :
       {&CollectionSteps::dropped, &CollectionSteps::changed,
        &CollectionSteps::checked, &CollectionSteps::computed}) {
    std::vector<SchemaStep> all;
    for (size_t i = 0; i < planned.size(); ++i) {
      for (SchemaStep& step : planned[i].*phase) {
        step.change = static_cast<int>(i);
        step.collection = plan.changes[i].collection().name();
        all.push_back(std::move(step));
      }
    }
    // What goes, goes before names change.
    const auto place = phase == &CollectionSteps::dropped ? plan.steps.begin()
                                                          : plan.steps.end();
    plan.steps.insert(place, std::make_move_iterator(all.begin()),
                      std::make_move_iterator(all.end()));
  }
  plan.hash = HashPlan(plan, goal);
  return plan;
}

}  // namespace engram::storage
