#include "services/storage/collection_planner.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/filter/filter.h"
#include "libs/schema/chunking_reader.h"
#include "services/storage/collection_table.h"
#include "services/storage/dropped_generations.h"
#include "services/storage/field_diff.h"
#include "services/storage/schema_diff.h"
#include "services/storage/schema_planner.h"
#include "services/storage/value_conversion.h"

namespace engram::storage {
namespace {

using schema::CollectionSpec;
using schema::FieldSpec;
using Kind = SchemaStep::Kind;

bool HasDefault(const FieldSpec& field) {
  return field.default_value.index() != 0 || field.default_now;
}

std::string Named(absl::string_view what, absl::string_view name) {
  return absl::StrCat(what, " \"", name, "\"");
}

// How a plan tells that a field's texts are cut; empty if they are not.
std::string ChunkingWords(const Generation& generation) {
  if (!generation.chunked) return "";
  return absl::StrCat(", chunked by ",
                      schema::ChunkingName(generation.spec.chunking.method));
}

// Plans a collection that stays.
class ChangePlanner {
 public:
  ChangePlanner(const CollectionChange& change, const Targets& targets,
                absl::string_view path, FieldViolations& violations)
      : change_(change),
        targets_(targets),
        path_(path),
        violations_(violations),
        before_(change.before->spec),
        after_(change.after->spec),
        table_(QuoteIdentifier(after_.name)) {}

  CollectionSteps Run() {
    steps_.renamed = before_.name != after_.name;
    rebuilds_ = NeedsRebuild();
    PlanGoneFields();
    PlanFields();
    PlanTimes();
    if (rebuilds_) PlanRebuild();
    PlanFills();
    PlanRules();
    PlanObjects();
    PlanLifetimes();
    PlanVectors();
    PlanRollups();
    if (steps_.empty() && !(before_ == after_)) {
      Changed({.summary = "change the rules of the collection"});
    }
    return std::move(steps_);
  }

 private:
  const FieldSpec* Origin(size_t place) const {
    const int origin = change_.origins[place];
    return origin < 0 ? nullptr : &before_.fields[origin];
  }

  void Changed(SchemaStep step) { steps_.changed.push_back(std::move(step)); }

  // --- What a table cannot become by ALTER TABLE.

  bool HasOtherColumn(const FieldSpec& before, const FieldSpec& after) const {
    if (before.nocase != after.nocase) return true;
    if (ConversionBetween(before.type, after.type) != Conversion::kNone) {
      return true;
    }
    return TargetOf(before, targets_.before) != TargetOf(after, targets_.after);
  }

  // The id of the collection that a ref names; 0 for other fields.
  static int64_t TargetOf(const FieldSpec& field,
                          const std::map<std::string, int64_t>& targets) {
    if (field.type != schema::FieldType::kRef) return 0;
    const auto found = targets.find(field.target);
    return found == targets.end() ? -1 : found->second;
  }

  bool NeedsRebuild() const {
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      const FieldSpec& field = after_.fields[place];
      if (origin == nullptr || !field.generated.empty()) continue;
      // What was computed is kept as it is.
      if (!origin->generated.empty()) return true;
      if (HasOtherColumn(*origin, field)) return true;
      if (origin->name != field.name && IsTaken(field.name)) return true;
    }
    return false;
  }

  // Whether a field that stays has this name before.
  bool IsTaken(absl::string_view name) const {
    const int place = before_.FieldIndex(name);
    return place >= 0 && PlaceAfter(change_, place) >= 0;
  }

  // --- Fields.

  void PlanGoneFields() {
    std::vector<std::string> generated, stored;
    for (size_t place = 0; place < before_.fields.size(); ++place) {
      const int after = PlaceAfter(change_, static_cast<int>(place));
      if (after >= 0) continue;
      const FieldSpec& field = before_.fields[place];
      (field.generated.empty() ? stored : generated).push_back(field.name);
    }
    // Generated ones first, as they may be made of the others.
    for (const std::string& name : generated) DropGenerated(name);
    DropChangedGenerated();
    for (const std::string& name : stored) {
      Changed({.summary = Named("drop field", name),
               .sql = Unless(rebuilds_, DropColumn(name)),
               .records = change_.records,
               .destructive = true,
               .wants_backup = true});
    }
  }

  void DropGenerated(const std::string& name) {
    Changed({.summary = Named("drop generated field", name),
             .sql = Unless(rebuilds_, DropColumn(name))});
  }

  // Columns that are added again, as another expression.
  void DropChangedGenerated() {
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      if (origin == nullptr || after_.fields[place].generated.empty()) continue;
      if (SameGenerated(place)) continue;
      refilled_.insert(static_cast<int>(place));
      if (!rebuilds_) dropped_columns_.insert(origin->name);
      if (!origin->generated.empty()) {
        Changed({.summary = Named("compute anew generated field", origin->name),
                 .sql = Unless(rebuilds_, DropColumn(origin->name))});
        continue;
      }
      Changed({.summary = absl::StrCat(Named("drop what field", origin->name),
                                       " holds: it is generated from now on"),
               .sql = Unless(rebuilds_, DropColumn(origin->name)),
               .records = change_.records,
               .destructive = true,
               .wants_backup = true});
    }
  }

  // Whether the column of a generated field can stay.
  bool SameGenerated(size_t place) const {
    const FieldSpec& field = after_.fields[place];
    const FieldSpec& origin = *Origin(place);
    if (origin.generated != field.generated || origin.type != field.type ||
        origin.nocase != field.nocase) {
      return false;
    }
    for (const int used :
         filter::PlacesUsed(*change_.after->generated[place])) {
      if (used < 0) continue;
      const FieldSpec* const before = Origin(used);
      if (before == nullptr || before->name != after_.fields[used].name ||
          before->type != after_.fields[used].type) {
        return false;
      }
    }
    return true;
  }

  std::string DropColumn(absl::string_view name) const {
    return absl::StrCat("ALTER TABLE ", table_, " DROP COLUMN ",
                        QuoteIdentifier(name));
  }

  std::string AddColumn(absl::string_view definition) const {
    return absl::StrCat("ALTER TABLE ", table_, " ADD COLUMN ", definition);
  }

  static std::vector<std::string> Unless(bool not_run, std::string sql) {
    if (not_run) return {};
    return {std::move(sql)};
  }

  void PlanFields() {
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      if (origin != nullptr) PlanKeptField(place, *origin);
    }
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec& field = after_.fields[place];
      if (Origin(place) == nullptr && field.generated.empty()) AddField(field);
    }
    // Last, as they are made of the others.
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec& field = after_.fields[place];
      if (field.generated.empty()) continue;
      if (Origin(place) == nullptr) {
        AddField(field);
      } else if (!SameGenerated(place) && !rebuilds_) {
        Changed({.summary = Named("generate field", field.name),
                 .sql = {AddColumn(ColumnDefinition(after_, field))}});
      }
    }
  }

  void AddField(const FieldSpec& field) {
    Changed(
        {.summary = absl::StrCat(Named("add field", field.name), " (",
                                 TypeText(field), ")"),
         .sql = Unless(rebuilds_, AddColumn(ColumnDefinition(after_, field)))});
  }

  void PlanKeptField(size_t place, const FieldSpec& origin) {
    const FieldSpec& field = after_.fields[place];
    const bool keeps_column = field.generated.empty() || SameGenerated(place);
    if (origin.name != field.name) {
      const std::string rename = absl::StrCat(
          "ALTER TABLE ", table_, " RENAME COLUMN ",
          QuoteIdentifier(origin.name), " TO ", QuoteIdentifier(field.name));
      Changed({.summary = absl::StrCat(Named("rename field", origin.name),
                                       Named(" to", field.name)),
               .sql = Unless(rebuilds_ || !keeps_column, rename)});
    }
    if (field.generated.empty()) PlanType(field, origin);
    const std::vector<std::string> attributes =
        ChangedAttributes(origin, field);
    if (attributes.empty()) return;
    Changed({.summary = absl::StrCat(Named("change field", field.name), ": ",
                                     absl::StrJoin(attributes, ", "))});
  }

  void PlanType(const FieldSpec& field, const FieldSpec& origin) {
    if (ConversionBetween(origin.type, field.type) == Conversion::kImpossible) {
      violations_.Add(
          absl::StrCat(path_, ".fields.", field.name, ".type"),
          absl::StrCat("was ", TypeText(origin), "; no ", TypeText(field),
                       " can be made of that; add a field of another name"));
      return;
    }
    if (origin.type == field.type &&
        TargetOf(origin, targets_.before) == TargetOf(field, targets_.after)) {
      return;
    }
    if (ConversionBetween(origin.type, field.type) == Conversion::kEachValue) {
      refilled_.insert(after_.FieldIndex(field.name));
    }
    Changed(
        {.summary = absl::StrCat(Named("change field", field.name), " from ",
                                 TypeText(origin), " to ", TypeText(field))});
  }

  // --- The columns of expiry and of deleted records.

  void PlanTimes() {
    if (before_.expire.has_value() && !after_.expire.has_value()) {
      Changed({.summary = "let records expire no more",
               .sql = Unless(rebuilds_, DropColumn("_expires_us"))});
    }
    if (!before_.expire.has_value() && after_.expire.has_value()) {
      Changed({.summary = "let records expire",
               .sql = Unless(rebuilds_, AddColumn(kExpiresColumn))});
    }
    if (before_.soft_delete.has_value() && !after_.soft_delete.has_value()) {
      // While the column is there.
      steps_.dropped.push_back({.kind = Kind::kVerifyNoneDeleted,
                                .summary = "verify that no record is deleted "
                                           "but kept",
                                .records = change_.records});
      Changed({.summary = "keep deleted records no more",
               .sql = Unless(rebuilds_, DropColumn("_deleted_us"))});
    }
    if (!before_.soft_delete.has_value() && after_.soft_delete.has_value()) {
      Changed({.summary = "keep deleted records",
               .sql = Unless(rebuilds_, AddColumn(kDeletedColumn))});
    }
  }

  // --- The rebuild.

  void PlanRebuild() {
    std::vector<std::string> to = {"_row",        "id",          "_version",
                                   "_created_us", "_updated_us", "_sequence"};
    std::vector<std::string> from = to;
    if (before_.expire.has_value() && after_.expire.has_value()) {
      to.push_back("_expires_us");
      from.push_back("_expires_us");
    }
    if (before_.soft_delete.has_value() && after_.soft_delete.has_value()) {
      to.push_back("_deleted_us");
      from.push_back("_deleted_us");
    }
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      if (origin == nullptr || !after_.fields[place].generated.empty())
        continue;
      to.push_back(QuoteIdentifier(after_.fields[place].name));
      from.push_back(QuoteIdentifier(origin->name));
    }
    const std::vector<std::string> parameters(to.size(), "?");
    // The second is run once for each row of the third.
    Changed({.kind = Kind::kRebuild,
             .summary = "rebuild the table",
             .sql = {CreateTableSql(after_, kRebuildTable),
                     absl::StrCat("INSERT INTO ", kRebuildTable, " (",
                                  absl::StrJoin(to, ", "), ") VALUES (",
                                  absl::StrJoin(parameters, ", "), ")"),
                     absl::StrCat("SELECT ", absl::StrJoin(from, ", "),
                                  " FROM ", table_, " ORDER BY _row"),
                     absl::StrCat("DROP TABLE ", table_),
                     absl::StrCat("ALTER TABLE ", kRebuildTable, " RENAME TO ",
                                  table_)},
             .records = change_.records,
             .wants_backup = true});
  }

  // --- Values of records that exist.

  void PlanFills() {
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      const FieldSpec& field = after_.fields[place];
      if (!field.generated.empty()) continue;
      if (!field.extract.empty()) {
        if (origin != nullptr && origin->extract == field.extract) continue;
        refilled_.insert(static_cast<int>(place));
        Changed({.kind = Kind::kFillExtract,
                 .summary = absl::StrCat(Named("fill field", field.name),
                                         " from ", field.extract),
                 .sql = {Update(field, "?", " WHERE _row = ?")},
                 .records = change_.records,
                 .field = static_cast<int>(place)});
        continue;
      }
      const bool becomes_required =
          origin != nullptr && field.required && !origin->required;
      if (!HasDefault(field) || (origin != nullptr && !becomes_required)) {
        continue;
      }
      refilled_.insert(static_cast<int>(place));
      Changed(
          {.kind = Kind::kFillDefault,
           .summary = absl::StrCat(Named("fill field", field.name),
                                   " with its default"),
           .sql = {Update(field, "?",
                          absl::StrCat(" WHERE ", QuoteIdentifier(field.name),
                                       " IS NULL"))},
           .records = change_.records,
           .field = static_cast<int>(place)});
    }
    PlanExpiryFill();
  }

  std::string Update(const FieldSpec& field, absl::string_view value,
                     absl::string_view condition) const {
    return absl::StrCat("UPDATE ", table_, " SET ", QuoteIdentifier(field.name),
                        " = ", value, condition);
  }

  void PlanExpiryFill() {
    if (!after_.expire.has_value()) return;
    schema::ExpireSpec before = before_.expire.value_or(schema::ExpireSpec());
    const int field = before_.FieldIndex(before.field);
    const int field_after = field < 0 ? -1 : PlaceAfter(change_, field);
    if (field_after >= 0) before.field = after_.fields[field_after].name;
    const schema::ExpireSpec& expire = *after_.expire;
    const bool is_set = before_.expire.has_value() && before == expire &&
                        !refilled_.contains(after_.FieldIndex(expire.field));
    if (is_set) return;
    const std::string time =
        !expire.field.empty()
            ? QuoteIdentifier(expire.field)
            : absl::StrCat(expire.sliding ? "_updated_us" : "_created_us",
                           " + ", absl::ToInt64Microseconds(expire.after));
    Changed(
        {.summary = "set when records expire",
         .sql = {absl::StrCat("UPDATE ", table_, " SET _expires_us = ", time)},
         .records = change_.records});
  }

  // --- Rules.

  void PlanRules() {
    bool converts = false;
    for (size_t place = 0; place < after_.fields.size(); ++place) {
      const FieldSpec* const origin = Origin(place);
      const FieldSpec& field = after_.fields[place];
      converts |= origin != nullptr && origin->type != field.type;
      const bool tightens =
          origin == nullptr ? HasRules(field) : TightensRules(*origin, field);
      if (tightens) {
        Verify({.kind = Kind::kVerify,
                .summary = Named("verify the rules of field", field.name),
                .field = static_cast<int>(place)});
      }
      if (field.type == schema::FieldType::kRef && origin != nullptr &&
          TargetOf(*origin, targets_.before) !=
              TargetOf(field, targets_.after)) {
        Verify({.kind = Kind::kVerifyRefs,
                .summary = Named("verify what refers by field", field.name),
                .field = static_cast<int>(place)});
      }
    }
    for (size_t i = 0; i < after_.checks.size(); ++i) {
      const bool is_new =
          std::find(before_.checks.begin(), before_.checks.end(),
                    after_.checks[i]) == before_.checks.end();
      if (!is_new && !converts && refilled_.empty()) continue;
      Verify({.kind = Kind::kVerify,
              .summary = absl::StrCat("verify the check ", after_.checks[i]),
              .check = static_cast<int>(i)});
    }
    for (const std::string& check : before_.checks) {
      if (std::find(after_.checks.begin(), after_.checks.end(), check) !=
          after_.checks.end()) {
        continue;
      }
      Changed({.summary = absl::StrCat("drop the check ", check)});
    }
    if (after_.sequence_ids && !before_.sequence_ids) {
      Verify({.kind = Kind::kNumberIds,
              .summary = "number new records, after the largest id"});
    }
    if (!after_.sequence_ids && before_.sequence_ids) {
      Changed({.summary = "number new records no more"});
    }
  }

  void Verify(SchemaStep step) {
    step.records = change_.records;
    steps_.checked.push_back(std::move(step));
  }

  // --- Indexes and the like.

  void PlanObjects() {
    const std::vector<SideObject> before =
        SideObjects(change_.before->id, before_, change_.before->typed.numbers);
    const std::vector<SideObject> after =
        SideObjects(change_.after->id, after_, change_.after->typed.numbers);
    const auto has = [](const std::vector<SideObject>& objects,
                        const SideObject& wanted) {
      return std::any_of(
          objects.begin(), objects.end(), [&](const SideObject& object) {
            return object.name == wanted.name && object.create == wanted.create;
          });
    };
    for (const SideObject& object : before) {
      if (has(after, object) && !IsOfDroppedColumn(object)) continue;
      steps_.dropped.push_back(
          {.summary = absl::StrCat("drop ", object.summary),
           .sql = {object.drop}});
    }
    for (const SideObject& object : after) {
      const bool exists = has(before, object) && !IsOfDroppedColumn(object) &&
                          !(rebuilds_ && object.belongs_to_table());
      if (exists && !HoldsOldValues(object)) continue;
      SchemaStep step = {.kind = Kind::kBuild,
                         .summary = absl::StrCat("build ", object.summary),
                         .find_duplicates = object.find_duplicates,
                         .records = change_.records};
      if (exists) step.sql.push_back(object.drop);
      step.sql.push_back(object.create);
      if (!object.fill.empty()) step.sql.push_back(object.fill);
      steps_.checked.push_back(std::move(step));
    }
  }

  // Whether a column that is dropped and added again keeps the index from
  // staying. It may be said of too many: they are built once more.
  bool IsOfDroppedColumn(const SideObject& object) const {
    return object.belongs_to_table() &&
           std::any_of(dropped_columns_.begin(), dropped_columns_.end(),
                       [&](const std::string& name) {
                         return absl::StrContains(object.create,
                                                  QuoteIdentifier(name));
                       });
  }

  // Whether what stands in a table of its own was made of values that a step
  // before has replaced.
  bool HoldsOldValues(const SideObject& object) const {
    return std::any_of(object.places.begin(), object.places.end(),
                       [this](int place) { return refilled_.contains(place); });
  }

  // --- How long things are kept, and what reads do.

  void PlanLifetimes() {
    if (before_.history.has_value() && !after_.history.has_value()) {
      Changed({.summary = "drop old versions and keep none",
               .sql = {absl::StrCat("DELETE FROM _versions WHERE collection = ",
                                    change_.before->id)},
               .records = change_.records,
               .destructive = true,
               .wants_backup = true});
    } else if (!(before_.history == after_.history)) {
      Changed({.summary = before_.history.has_value()
                              ? "change which old versions are kept"
                              : "keep old versions"});
    }
    if (before_.soft_delete.has_value() && after_.soft_delete.has_value() &&
        !(before_.soft_delete == after_.soft_delete)) {
      Changed({.summary = "change how long deleted records are kept"});
    }
    if (!(before_.touch == after_.touch)) {
      Changed({.summary = "change what reads set"});
    }
    if (!(before_.edges == after_.edges)) {
      Changed({.summary = "change which fields are the edges of a graph"});
    }
  }

  // --- Vectors.

  void PlanVectors() {
    for (const VectorField& field : change_.before->vectors) {
      for (const Generation& generation : field.generations) {
        PlanDroppedVectors(generation);
      }
    }
    for (const int place : change_.new_vectors) {
      const Generation& generation = change_.after->vectors[place].declared();
      const std::string& name = generation.spec.name;
      if (generation.supplied()) {
        steps_.computed.push_back(
            {.summary = Named("take supplied vectors", name),
             .sql = {generation.create_table}});
        continue;
      }
      steps_.computed.push_back(
          {.summary = absl::StrCat(
               Named("embed vectors", name), " with ", generation.model, " (",
               generation.fingerprint, ")", ChunkingWords(generation),
               generation.serves ? "" : ", beside those that serve"),
           .sql = {generation.create_table},
           .records = change_.records});
    }
    for (const int place : change_.redeclared_vectors) {
      const Generation& generation = change_.after->vectors[place].declared();
      Changed({.summary = absl::StrCat(
                   Named("go back to vectors", generation.spec.name),
                   " of generation ", generation.id, ", made with ",
                   generation.model)});
    }
    for (const schema::VectorFieldSpec& spec : after_.vectors) {
      const schema::VectorFieldSpec* const old = before_.FindVector(spec.name);
      if (old == nullptr) continue;
      if (old->index_kind != spec.index_kind) {
        Changed(
            {.summary = Named("change the kind of the index of", spec.name)});
      }
      if (old->precision != spec.precision) {
        Changed({.summary =
                     Named("change the precision of the index of", spec.name)});
      }
      if (old->cutover == spec.cutover) continue;
      Changed(
          {.summary = absl::StrCat(Named("cut over to new vectors", spec.name),
                                   spec.cutover == schema::Cutover::kAuto
                                       ? " automatically"
                                       : " when SwitchGeneration is called")});
    }
  }

  void PlanDroppedVectors(const Generation& generation) {
    const std::vector<int64_t>& dropped = change_.dropped_generations;
    if (std::count(dropped.begin(), dropped.end(), generation.id) == 0) return;
    const std::string& name = generation.spec.name;
    const bool destroys =
        after_.FindVector(name) == nullptr || generation.supplied();
    steps_.dropped.push_back(
        {.summary =
             absl::StrCat(Named("drop vectors", name),
                          generation.serves ? "" : " of generation ",
                          generation.serves ? "" : absl::StrCat(generation.id)),
         .sql = DropGenerationSql(generation.id),
         .records = change_.records,
         .destructive = destroys,
         .wants_backup = destroys});
  }

  // --- Roll-ups.

  void PlanRollups() {
    const auto has = [](const std::vector<schema::RollupSpec>& rollups,
                        const schema::RollupSpec& wanted) {
      return std::find(rollups.begin(), rollups.end(), wanted) != rollups.end();
    };
    for (const schema::RollupSpec& rollup : before_.rollups) {
      if (has(after_.rollups, rollup)) continue;
      Changed({.summary = Named("drop the roll-up of", rollup.parent)});
    }
    for (size_t i = 0; i < after_.rollups.size(); ++i) {
      if (refilled_.empty() && has(before_.rollups, after_.rollups[i]))
        continue;
      steps_.computed.push_back(
          {.kind = Kind::kRollUp,
           .summary = Named("compute the roll-up of", after_.rollups[i].parent),
           .records = change_.records,
           .rollup = static_cast<int>(i)});
    }
  }

  const CollectionChange& change_;
  const Targets& targets_;
  const absl::string_view path_;
  FieldViolations& violations_;
  const CollectionSpec& before_;
  const CollectionSpec& after_;
  // The table's name as it is once collections have their new names.
  const std::string table_;
  bool rebuilds_ = false;
  // Places of fields that get other values.
  std::set<int> refilled_;
  // Names of columns that are dropped and added again.
  std::set<std::string> dropped_columns_;
  CollectionSteps steps_;
};

}  // namespace

CollectionSteps PlanCollection(const CollectionChange& change,
                               const Targets& targets, absl::string_view path,
                               FieldViolations& violations) {
  return ChangePlanner(change, targets, path, violations).Run();
}

}  // namespace engram::storage
