#include "tools/engramctl/schema_view.h"

#include <algorithm>
#include <ostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::ApplySchemaResponse;
using storage::v1::Collection;
using storage::v1::PlanSchemaResponse;
using storage::v1::SchemaMigration;
using storage::v1::SchemaStep;

// "3 steps"; `noun` takes an s.
std::string Count(int64_t count, absl::string_view noun) {
  return absl::StrCat(WithCommas(count), " ", noun, count == 1 ? "" : "s");
}

// "! drop field "old" (destroys data; 12,000 records)".
std::string StepLine(const SchemaStep& step) {
  std::vector<std::string> notes;
  if (step.destructive()) notes.push_back("destroys data");
  if (step.records() > 0) notes.push_back(Count(step.records(), "record"));
  return absl::StrCat(
      step.destructive() ? "! " : "  ", OneLine(step.summary()),
      notes.empty() ? "" : absl::StrCat(" (", absl::StrJoin(notes, "; "), ")"));
}

std::vector<JsonObject> StepsAsJson(const SchemaSteps& steps) {
  std::vector<JsonObject> objects;
  for (const SchemaStep& step : steps) {
    objects.push_back(JsonObject()
                          .Text("collection", step.collection())
                          .Text("summary", step.summary())
                          .Texts("sql", {step.sql().begin(), step.sql().end()})
                          .Int("records", step.records())
                          .Bool("destructive", step.destructive()));
  }
  return objects;
}

// One statement, a line of it a line, below its step.
std::string Indented(absl::string_view sql) {
  constexpr absl::string_view kIndent = "      ";
  return absl::StrCat(
      kIndent, absl::StrReplaceAll(sql, {{"\n", absl::StrCat("\n", kIndent)}}));
}

}  // namespace

void PrintPlan(const Console& console, const PlanSchemaResponse& plan) {
  if (plan.steps().empty()) {
    console.out << "nothing to do: everything is as declared\n";
    return;
  }
  std::string collection;
  for (const SchemaStep& step : plan.steps()) {
    if (step.collection() != collection) {
      collection = step.collection();
      console.out << console.Bold(collection) << "\n";
    }
    console.out << StepLine(step) << "\n";
    for (const std::string& sql : step.sql()) {
      console.out << Indented(sql) << "\n";
    }
  }
  const int64_t destructive =
      std::count_if(plan.steps().begin(), plan.steps().end(),
                    [](const SchemaStep& step) { return step.destructive(); });
  console.out << "\n" << Count(plan.steps_size(), "step");
  if (destructive > 0) {
    console.out << ", " << WithCommas(destructive)
                << " of them destroying data: apply needs --allow-destructive";
  }
  console.out << "\n";
  if (plan.backup()) console.out << "a backup is taken before\n";
  if (plan.texts_to_embed() > 0) {
    console.out << Count(plan.texts_to_embed(), "text")
                << " will be embedded again\n";
  }
}

JsonObject PlanAsJson(const PlanSchemaResponse& plan) {
  return JsonObject()
      .List("steps", StepsAsJson(plan.steps()))
      .Bool("destructive", plan.destructive())
      .Bool("backup", plan.backup())
      .Int("texts_to_embed", plan.texts_to_embed())
      .Text("plan_hash", plan.plan_hash());
}

void PrintApplied(const Console& console, const ApplySchemaResponse& applied) {
  const std::set<std::string> created(applied.created().begin(),
                                      applied.created().end());
  const auto print_steps = [&](const std::string& collection) {
    for (const SchemaStep& step : applied.steps()) {
      if (step.collection() != collection) continue;
      console.out << "         " << StepLine(step) << "\n";
    }
  };
  std::set<std::string> stepped;
  for (const SchemaStep& step : applied.steps()) {
    stepped.insert(step.collection());
  }
  for (const std::string& name : applied.created()) {
    console.out << "created    " << name << "\n";
    stepped.erase(name);
  }
  for (const Collection& collection : applied.collections()) {
    if (created.contains(collection.name())) continue;
    const bool changed = stepped.erase(collection.name()) > 0;
    console.out << (changed ? "changed    " : "unchanged  ")
                << collection.name() << "\n";
    if (changed) print_steps(collection.name());
  }
  // What has steps and is not declared any more.
  for (const std::string& name : stepped) {
    console.out << "dropped    " << name << "\n";
  }
  if (!applied.backup().empty()) {
    console.out << "backup     " << applied.backup() << "\n";
  }
}

JsonObject AppliedAsJson(const ApplySchemaResponse& applied) {
  std::vector<std::string> created(applied.created().begin(),
                                   applied.created().end());
  std::vector<std::string> changed;
  std::vector<std::string> unchanged;
  for (const Collection& collection : applied.collections()) {
    const std::string& name = collection.name();
    if (std::count(created.begin(), created.end(), name) > 0) continue;
    const bool has_steps = std::any_of(
        applied.steps().begin(), applied.steps().end(),
        [&](const SchemaStep& step) { return step.collection() == name; });
    (has_steps ? changed : unchanged).push_back(name);
  }
  return JsonObject()
      .Texts("created", created)
      .Texts("changed", changed)
      .Texts("unchanged", unchanged)
      .List("steps", StepsAsJson(applied.steps()))
      .Int("version", applied.version())
      .Text("backup", applied.backup())
      .Text("position", applied.position());
}

void PrintMigration(const Console& console, const SchemaMigration& migration) {
  console.out << console.Bold(absl::StrCat("version ", migration.version()))
              << "  " << TimestampText(migration.apply_time()) << "\n";
  for (const SchemaStep& step : migration.steps()) {
    const std::string line = StepLine(step);
    console.out << line.substr(0, 2) << step.collection() << ": "
                << line.substr(2) << "\n";
  }
}

JsonObject MigrationAsJson(const SchemaMigration& migration) {
  std::vector<JsonObject> documents;
  for (const auto& document : migration.documents()) {
    documents.push_back(JsonObject()
                            .Text("name", document.name())
                            .Text("yaml", document.yaml()));
  }
  return JsonObject()
      .Int("version", migration.version())
      .Text("apply_time", TimestampText(migration.apply_time()))
      .List("steps", StepsAsJson(migration.steps()))
      .List("documents", documents);
}

JsonObject CollectionAsJson(const Collection& collection) {
  std::vector<JsonObject> fields;
  for (const auto& field : collection.fields()) {
    fields.push_back(JsonObject()
                         .Text("name", field.name())
                         .Text("type", field.type())
                         .Int("number", field.number()));
  }
  std::vector<JsonObject> vectors;
  for (const auto& vector : collection.vector_fields()) {
    vectors.push_back(
        JsonObject()
            .Text("name", vector.name())
            .Texts("source", {vector.source().begin(), vector.source().end()})
            .Text("model", vector.generation().model())
            .Int("dimensions", vector.generation().dimensions())
            .Bool("supplied", vector.supplied()));
  }
  return JsonObject()
      .Text("name", collection.name())
      .List("fields", fields)
      .List("vector_fields", vectors)
      .Text("create_time", TimestampText(collection.create_time()))
      .Text("schema", collection.schema());
}

}  // namespace engram::engramctl
