#include "services/storage/schema_executor.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/evaluate.h"
#include "libs/filter/sql.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/record_merger.h"
#include "services/storage/schema_planner.h"
#include "services/storage/stored_record.h"
#include "services/storage/value_conversion.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectLastRow =
    "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?";
constexpr absl::string_view kDeleteLastRow =
    "DELETE FROM sqlite_sequence WHERE name = ?";
constexpr absl::string_view kInsertLastRow =
    "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";
constexpr absl::string_view kSetNextId =
    "UPDATE _collections SET next_id = max(next_id, ?) WHERE collection = ?";

// Gathers records that cannot be what the new schema wants.
struct Offenders {
  int64_t count = 0;
  // Of the first.
  std::string id;
  std::string problem;

  void Add(absl::string_view record, absl::string_view why) {
    if (count++ > 0) return;
    id = std::string(record);
    problem = std::string(why);
  }

  // OK if there are none. `rule` is what they break.
  absl::Status ToStatus(const SchemaStep& step, absl::string_view rule) const {
    if (count == 0) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_RECORDS_INVALID,
        absl::StrCat(count, count == 1 ? " record" : " records",
                     " of collection \"", step.collection, "\" cannot take ",
                     "the new schema (", rule, "), among them \"", id,
                     "\": ", problem, "; change or delete them first"),
        {{"collection", step.collection},
         {"records", absl::StrCat(count)},
         {"id", id}});
  }
};

std::string SelectAll(const Collection& collection,
                      absl::string_view condition) {
  return absl::StrCat("SELECT ", collection.columns, " FROM ",
                      QuoteIdentifier(collection.name()), condition,
                      " ORDER BY _row");
}

// What a conversion of the columns of a rebuild is.
struct ColumnConversion {
  // Of the SELECT.
  int column = 0;
  const schema::FieldSpec* from = nullptr;
  const schema::FieldSpec* to = nullptr;
};

std::vector<ColumnConversion> ConversionsOf(const CollectionChange& change,
                                            int columns) {
  std::vector<ColumnConversion> conversions;
  const std::vector<schema::FieldSpec>& fields = change.after->spec.fields;
  // The fields come last.
  for (size_t i = fields.size(); i-- > 0;) {
    if (change.origins[i] < 0 || !fields[i].generated.empty()) continue;
    conversions.push_back(
        {.column = --columns,
         .from = &change.before->spec.fields[change.origins[i]],
         .to = &fields[i]});
  }
  return conversions;
}

}  // namespace

absl::Status SchemaExecutor::Run(const SchemaStep& step) {
  switch (step.kind) {
    case SchemaStep::Kind::kRun:
      return RunSql(step);
    case SchemaStep::Kind::kRebuild:
      return Rebuild(step);
    case SchemaStep::Kind::kVerify:
      return Verify(step);
    case SchemaStep::Kind::kVerifyRefs:
      return VerifyRefs(step);
    case SchemaStep::Kind::kVerifyNoneDeleted:
      return VerifyNoneDeleted(step);
    case SchemaStep::Kind::kFillDefault:
      return FillDefault(step);
    case SchemaStep::Kind::kFillExtract:
      return FillExtract(step);
    case SchemaStep::Kind::kNumberIds:
      return NumberIds(step);
    case SchemaStep::Kind::kBuild:
      return Build(step);
    case SchemaStep::Kind::kRollUp:
      return RollUp(step);
  }
  return absl::InternalError("unknown step");
}

absl::Status SchemaExecutor::RunSql(const SchemaStep& step) {
  for (const std::string& sql : step.sql) {
    RETURN_IF_ERROR(connection_.Execute(sql));
  }
  return absl::OkStatus();
}

absl::Status SchemaExecutor::Rebuild(const SchemaStep& step) {
  const std::string& table = ChangeOf(step).after->name();
  // Rows are never used again, those of deleted records neither.
  int64_t last_row = 0;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection_.Prepare(kSelectLastRow));
    select.BindText(1, table);
    RETURN_IF_ERROR(select.Step().status());
    last_row = select.Int(0);
  }
  RETURN_IF_ERROR(connection_.Execute(step.sql[0]));
  RETURN_IF_ERROR(CopyRecords(step));
  for (size_t i = 3; i < step.sql.size(); ++i) {
    RETURN_IF_ERROR(connection_.Execute(step.sql[i]));
  }
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   connection_.Prepare(kDeleteLastRow));
  remove.BindText(1, table);
  RETURN_IF_ERROR(remove.Run());
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   connection_.Prepare(kInsertLastRow));
  insert.BindText(1, table);
  insert.BindInt(2, last_row);
  return insert.Run();
}

absl::Status SchemaExecutor::CopyRecords(const SchemaStep& step) {
  ASSIGN_OR_RETURN(sqlite::Statement insert, connection_.Prepare(step.sql[1]));
  ASSIGN_OR_RETURN(sqlite::Statement select, connection_.Prepare(step.sql[2]));
  const int columns = select.column_count();
  const std::vector<ColumnConversion> conversions =
      ConversionsOf(ChangeOf(step), columns);
  Offenders offenders;
  std::vector<ColumnValue> values(columns);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    for (int i = 0; i < columns; ++i) values[i] = ReadColumn(select, i);
    const int64_t failed = offenders.count;
    for (const ColumnConversion& conversion : conversions) {
      ColumnValue& value = values[conversion.column];
      absl::StatusOr<ColumnValue> converted =
          ConvertValue(conversion.from->type, conversion.to->type, value);
      if (converted.ok()) {
        value = *std::move(converted);
      } else if (offenders.count == failed) {
        offenders.Add(select.Text(1),
                      absl::StrCat("field \"", conversion.from->name,
                                   "\": ", converted.status().message()));
      }
    }
    // Once one has failed the rest is only counted.
    if (offenders.count > 0) continue;
    for (int i = 0; i < columns; ++i) BindColumn(insert, i + 1, values[i]);
    RETURN_IF_ERROR(insert.Run());
  }
  return offenders.ToStatus(step, "the types of its fields");
}

absl::Status SchemaExecutor::Verify(const SchemaStep& step) {
  const Collection& collection = *ChangeOf(step).after;
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Prepare(SelectAll(collection, "")));
  Offenders offenders;
  StoredRecord record;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    ReadStoredRecord(select, record);
    if (step.check >= 0) {
      const auto value_at = [&](int place) -> const ColumnValue& {
        return ValueAt(record, place);
      };
      if (!filter::Matches(collection.checks[step.check], value_at, now_us_)) {
        offenders.Add(record.id,
                      absl::StrCat("it does not meet `",
                                   collection.spec.checks[step.check], "`"));
      }
      continue;
    }
    const schema::FieldSpec& field = collection.spec.fields[step.field];
    const ColumnValue& value = record.values[step.field];
    if (value.index() == 0) {
      if (!field.required) continue;
      offenders.Add(record.id, absl::StrCat("field \"", field.name,
                                            "\" is required and has no value"));
      continue;
    }
    const absl::Status status = schema::CheckValue(field, value);
    if (status.ok()) continue;
    offenders.Add(record.id, absl::StrCat("field \"", field.name, "\" ",
                                          status.message()));
  }
  return offenders.ToStatus(step, step.summary);
}

absl::Status SchemaExecutor::RefuseIfAny(const SchemaStep& step,
                                         absl::string_view sql,
                                         absl::string_view problem) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection_.Prepare(sql));
  RETURN_IF_ERROR(select.Step().status());
  const Offenders offenders = {.count = select.Int(0),
                               .id = std::string(select.Text(1)),
                               .problem = std::string(problem)};
  return offenders.ToStatus(step, step.summary);
}

absl::Status SchemaExecutor::VerifyRefs(const SchemaStep& step) {
  const Collection& collection = *ChangeOf(step).after;
  const schema::FieldSpec& field = collection.spec.fields[step.field];
  const std::string column = absl::StrCat("c.", QuoteIdentifier(field.name));
  return RefuseIfAny(
      step,
      absl::StrCat("SELECT count(*), min(c.id) FROM ",
                   QuoteIdentifier(collection.name()), " AS c WHERE ", column,
                   " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ",
                   QuoteIdentifier(field.target), " AS t WHERE t.id = ", column,
                   ")"),
      absl::StrCat("field \"", field.name, "\" names no record of \"",
                   field.target, "\""));
}

absl::Status SchemaExecutor::VerifyNoneDeleted(const SchemaStep& step) {
  return RefuseIfAny(
      step,
      absl::StrCat("SELECT count(*), min(id) FROM ",
                   QuoteIdentifier(ChangeOf(step).before->name()),
                   " WHERE _deleted_us IS NOT NULL"),
      "it is deleted but kept; restore it, or delete it with purge");
}

absl::Status SchemaExecutor::FillDefault(const SchemaStep& step) {
  const schema::FieldSpec& field =
      ChangeOf(step).after->spec.fields[step.field];
  ASSIGN_OR_RETURN(sqlite::Statement update, connection_.Prepare(step.sql[0]));
  const ColumnValue value =
      field.default_now ? ColumnValue(now_us_) : field.default_value;
  BindColumn(update, 1, value);
  return update.Run();
}

absl::Status SchemaExecutor::FillExtract(const SchemaStep& step) {
  const Collection& collection = *ChangeOf(step).after;
  ASSIGN_OR_RETURN(sqlite::Statement update, connection_.Prepare(step.sql[0]));
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Prepare(SelectAll(collection, "")));
  StoredRecord record;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    ReadStoredRecord(select, record);
    FillComputed(collection, record);
    BindColumn(update, 1, record.values[step.field]);
    update.BindInt(2, record.row);
    RETURN_IF_ERROR(update.Run());
  }
}

absl::Status SchemaExecutor::NumberIds(const SchemaStep& step) {
  const Collection& collection = *ChangeOf(step).after;
  int64_t largest = 0;
  Offenders offenders;
  {
    ASSIGN_OR_RETURN(
        sqlite::Statement select,
        connection_.Prepare(absl::StrCat("SELECT id FROM ",
                                         QuoteIdentifier(collection.name()))));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) break;
      int64_t number = 0;
      if (absl::SimpleAtoi(select.Text(0), &number) && number > 0 &&
          absl::StrCat(number) == select.Text(0)) {
        largest = std::max(largest, number);
      } else {
        offenders.Add(select.Text(0), "its id is no whole number above 0");
      }
    }
  }
  RETURN_IF_ERROR(offenders.ToStatus(step, step.summary));
  ASSIGN_OR_RETURN(sqlite::Statement update, connection_.Prepare(kSetNextId));
  update.BindInt(1, largest + 1);
  update.BindInt(2, collection.id);
  return update.Run();
}

absl::Status SchemaExecutor::Build(const SchemaStep& step) {
  if (!step.find_duplicates.empty()) {
    RETURN_IF_ERROR(RefuseIfAny(step, step.find_duplicates,
                                "another record has the same key"));
  }
  return RunSql(step);
}

absl::Status SchemaExecutor::RollUp(const SchemaStep& step) {
  using Function = schema::RollupSpec::Function;
  const Collection& child = *ChangeOf(step).after;
  const schema::RollupSpec& rollup = child.spec.rollups[step.rollup];
  const std::string parent =
      QuoteIdentifier(child.spec.FindField(rollup.parent)->target);
  std::string condition =
      absl::StrCat(" FROM ", QuoteIdentifier(child.name()), " AS c WHERE c.",
                   QuoteIdentifier(rollup.parent), " = ", parent, ".id",
                   LiveRecords(child.spec, " AND c."));
  filter::Sql where;
  if (child.rollup_conditions[step.rollup].has_value()) {
    const auto column = [&](int place) {
      return PlaceColumn(child.spec, "c", place);
    };
    // Every element is compared: the tables that list them know no alias.
    const auto no_table = [](int) { return std::string(); };
    where = filter::CompileSql(
        *child.rollup_conditions[step.rollup],
        {.column = column, .rows_with_element = no_table}, now_us_);
    absl::StrAppend(&condition, " AND (", where.text, ")");
  }
  std::string sql = absl::StrCat("UPDATE ", parent, " SET ");
  absl::string_view separator = "";
  for (const schema::RollupSpec::Set& set : rollup.set) {
    const std::string of = absl::StrCat("c.", QuoteIdentifier(set.of));
    absl::StrAppend(&sql, separator, QuoteIdentifier(set.field), " = (SELECT ");
    separator = ", ";
    switch (set.function) {
      case Function::kCount:
        absl::StrAppend(&sql, "count(*)");
        break;
      case Function::kSum:
        absl::StrAppend(&sql, "ifnull(sum(", of, "), 0)");
        break;
      case Function::kMin:
        absl::StrAppend(&sql, "min(", of, ")");
        break;
      case Function::kMax:
        absl::StrAppend(&sql, "max(", of, ")");
        break;
    }
    absl::StrAppend(&sql, condition, ")");
  }
  ASSIGN_OR_RETURN(sqlite::Statement update, connection_.Prepare(sql));
  int parameter = 0;
  for (size_t i = 0; i < rollup.set.size(); ++i) {
    for (const ColumnValue& value : where.parameters) {
      BindColumn(update, ++parameter, value);
    }
  }
  RETURN_IF_ERROR(update.Run());
  return SetExpiry(child.spec.FindField(rollup.parent)->target, rollup);
}

absl::Status SchemaExecutor::SetExpiry(const std::string& collection,
                                       const schema::RollupSpec& rollup) {
  std::optional<schema::ExpireSpec> expire;
  bool is_planned = false;
  for (const CollectionChange& change : plan_.changes) {
    if (change.after == nullptr || change.after->name() != collection) continue;
    is_planned = true;
    expire = change.after->spec.expire;
  }
  if (!is_planned) {
    // One that stays as it is.
    ASSIGN_OR_RETURN(const auto collections, ReadCollections(connection_));
    for (const CollectionPtr& known : collections) {
      if (known->name() == collection) expire = known->spec.expire;
    }
  }
  if (!expire.has_value() ||
      std::none_of(rollup.set.begin(), rollup.set.end(), [&](const auto& set) {
        return set.field == expire->field;
      })) {
    return absl::OkStatus();
  }
  return connection_.Execute(
      absl::StrCat("UPDATE ", QuoteIdentifier(collection),
                   " SET _expires_us = ", QuoteIdentifier(expire->field)));
}

}  // namespace engram::storage
