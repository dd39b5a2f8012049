#include "tests/integration/store_checker.h"

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/filter/evaluate.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/catalog.h"
#include "services/storage/change_log.h"
#include "services/storage/collection_table.h"
#include "services/storage/stored_record.h"

namespace engram::storage::testing {
namespace {

using Function = schema::RollupSpec::Function;
using Records = std::vector<StoredRecord>;

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(what);
}

// Checks one file, within one transaction that is undone at the end.
class Checker {
 public:
  Checker(sqlite::Connection& connection,
          std::vector<CollectionPtr> collections)
      : connection_(connection), collections_(std::move(collections)) {
    for (const CollectionPtr& collection : collections_) {
      by_name_[collection->name()] = collection.get();
    }
  }

  absl::Status Check() {
    RETURN_IF_ERROR(CheckFile());
    for (const CollectionPtr& collection : collections_) {
      ASSIGN_OR_RETURN(records_[collection->id], ReadRecords(*collection));
    }
    RETURN_IF_ERROR(CheckLog());
    for (const CollectionPtr& collection : collections_) {
      const absl::Status status = CheckCollection(*collection);
      if (!status.ok()) {
        return WithContext(status,
                           absl::StrCat("collection ", collection->name()));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckFile() {
    {
      ASSIGN_OR_RETURN(auto check,
                       connection_.Prepare("PRAGMA integrity_check"));
      RETURN_IF_ERROR(check.Step().status());
      if (check.Text(0) != "ok") return Broken(check.Text(0));
    }
    ASSIGN_OR_RETURN(auto check,
                     connection_.Prepare("PRAGMA foreign_key_check"));
    ASSIGN_OR_RETURN(const bool violated, check.Step());
    if (!violated) return absl::OkStatus();
    return Broken(absl::StrCat("table ", check.Text(0), ", row ", check.Int(1),
                               ", names no record of ", check.Text(2)));
  }

  absl::StatusOr<Records> ReadRecords(const Collection& collection) {
    ASSIGN_OR_RETURN(auto select, connection_.Prepare(absl::StrCat(
                                      "SELECT ", collection.columns, " FROM ",
                                      QuoteIdentifier(collection.name()),
                                      " ORDER BY _row")));
    Records records;
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) return records;
      records.push_back(ReadStoredRecord(select));
    }
  }

  // No gap, and the last word on each record is right.
  absl::Status CheckLog() {
    int64_t last = 0;
    std::map<std::pair<int64_t, int64_t>, Change> newest;
    RETURN_IF_ERROR(VisitChanges(
        connection_, 0, [&](const Change& change) -> absl::StatusOr<bool> {
          if (last != 0 && change.sequence != last + 1) {
            return Broken(absl::StrCat("the log goes from ", last, " to ",
                                       change.sequence));
          }
          last = change.sequence;
          if (change.kind == ChangeKind::kRecordChanged ||
              change.kind == ChangeKind::kRecordDeleted) {
            newest[{change.collection, change.row}] = change;
          }
          return true;
        }));
    for (const CollectionPtr& collection : collections_) {
      std::set<int64_t> live;
      for (const StoredRecord& record : records_[collection->id]) {
        if (!record.deleted_us.has_value()) live.insert(record.row);
        if (record.sequence > last) {
          return Broken(absl::StrCat("record ", record.id, " is of change ",
                                     record.sequence, ", the log ends at ",
                                     last));
        }
      }
      for (const auto& [key, change] : newest) {
        if (key.first != collection->id) continue;
        const bool is_live = live.count(key.second) > 0;
        if (is_live != (change.kind == ChangeKind::kRecordChanged)) {
          return Broken(absl::StrCat("record ", change.id, " of ",
                                     collection->name(), " is ",
                                     is_live ? "there" : "gone", ", change ",
                                     change.sequence, " says the opposite"));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckCollection(const Collection& collection) {
    RETURN_IF_ERROR(CheckRecords(collection));
    RETURN_IF_ERROR(CheckCount(collection));
    RETURN_IF_ERROR(CheckUniqueKeys(collection));
    RETURN_IF_ERROR(CheckSideTables(collection));
    for (size_t i = 0; i < collection.spec.rollups.size(); ++i) {
      RETURN_IF_ERROR(CheckRollup(collection, static_cast<int>(i)));
    }
    return ForEachGeneration(collection, [&](const Generation& generation) {
      return CheckVectors(collection, generation);
    });
  }

  absl::Status CheckRecords(const Collection& collection) {
    const int64_t now_us = absl::ToUnixMicros(absl::Now());
    for (const StoredRecord& record : records_[collection.id]) {
      for (size_t i = 0; i < record.values.size(); ++i) {
        const schema::FieldSpec& field = collection.spec.fields[i];
        const absl::Status kept = schema::CheckValue(field, record.values[i]);
        if (!kept.ok() && field.generated.empty()) {
          return Broken(absl::StrCat("record ", record.id, ": ", field.name,
                                     " ", kept.message()));
        }
      }
      for (size_t i = 0; i < collection.checks.size(); ++i) {
        const auto value_at = [&](int place) -> const ColumnValue& {
          return ValueAt(record, place);
        };
        if (!filter::Matches(collection.checks[i], value_at, now_us)) {
          return Broken(absl::StrCat("record ", record.id, " does not meet ",
                                     collection.spec.checks[i]));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckCount(const Collection& collection) {
    int64_t live = 0;
    for (const StoredRecord& record : records_[collection.id]) {
      if (!record.deleted_us.has_value()) ++live;
    }
    ASSIGN_OR_RETURN(const int64_t counted,
                     connection_.QueryInt(absl::StrCat(
                         "SELECT records FROM _collections WHERE collection = ",
                         collection.id)));
    if (counted == live) return absl::OkStatus();
    return Broken(absl::StrCat("has ", live, " records, counts ", counted));
  }

  // The index says so too; this asks the table itself.
  absl::Status CheckUniqueKeys(const Collection& collection) {
    for (const SideObject& object : SideObjectsOf(collection)) {
      if (object.kind != SideObject::Kind::kUniqueIndex) continue;
      ASSIGN_OR_RETURN(auto duplicates,
                       connection_.Prepare(object.find_duplicates));
      ASSIGN_OR_RETURN(const bool found, duplicates.Step());
      if (found && duplicates.Int(0) > 0) {
        return Broken(absl::StrCat(object.name, " holds a key twice"));
      }
    }
    return absl::OkStatus();
  }

  static std::vector<SideObject> SideObjectsOf(const Collection& collection) {
    return SideObjects(collection.id, collection.spec,
                       collection.typed.numbers);
  }

  // Elements and full text, against what is made anew from the table.
  absl::Status CheckSideTables(const Collection& collection) {
    for (const SideObject& object : SideObjectsOf(collection)) {
      if (object.kind == SideObject::Kind::kElements) {
        RETURN_IF_ERROR(
            CompareWithRefilled(object, QuoteIdentifier(object.name)));
      } else if (object.kind == SideObject::Kind::kText) {
        RETURN_IF_ERROR(connection_.Execute(
            absl::StrCat("CREATE VIRTUAL TABLE temp.instances USING "
                         "fts5vocab(main, ",
                         QuoteIdentifier(object.name), ", instance)")));
        RETURN_IF_ERROR(CompareWithRefilled(object, "temp.instances"));
        RETURN_IF_ERROR(connection_.Execute("DROP TABLE temp.instances"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CompareWithRefilled(const SideObject& object,
                                   absl::string_view content) {
    RETURN_IF_ERROR(connection_.Execute(
        absl::StrCat("CREATE TEMP TABLE was AS SELECT * FROM ", content)));
    RETURN_IF_ERROR(connection_.Execute("SAVEPOINT refill"));
    RETURN_IF_ERROR(connection_.Execute(object.drop));
    RETURN_IF_ERROR(connection_.Execute(object.create));
    RETURN_IF_ERROR(connection_.Execute(object.fill));
    const std::string differences = absl::StrCat(
        "SELECT (SELECT count(*) FROM (SELECT * FROM was EXCEPT SELECT * FROM ",
        content, ")) + (SELECT count(*) FROM (SELECT * FROM ", content,
        " EXCEPT SELECT * FROM was))");
    int64_t different = 0;
    {
      ASSIGN_OR_RETURN(auto count, connection_.Prepare(differences));
      RETURN_IF_ERROR(count.Step().status());
      different = count.Int(0);
    }
    RETURN_IF_ERROR(connection_.Execute("ROLLBACK TO refill; RELEASE refill"));
    RETURN_IF_ERROR(connection_.Execute("DROP TABLE temp.was"));
    if (different == 0) return absl::OkStatus();
    return Broken(absl::StrCat(object.name, " differs in ", different,
                               " entries from what the records hold"));
  }

  // What a roll-up's functions come to over the children of one parent.
  struct Recount {
    int64_t count = 0;
    double sum = 0;
    std::optional<ColumnValue> least;
    std::optional<ColumnValue> most;
  };

  absl::Status CheckRollup(const Collection& child, int rollup) {
    const schema::RollupSpec& spec = child.spec.rollups[rollup];
    const int ref = child.spec.FieldIndex(spec.parent);
    const Collection& parents = *by_name_[child.spec.fields[ref].target];
    for (const schema::RollupSpec::Set& set : spec.set) {
      ASSIGN_OR_RETURN(const auto recounts,
                       RecountChildren(child, rollup, set, ref));
      const int place = parents.spec.FieldIndex(set.field);
      for (const StoredRecord& parent : records_[parents.id]) {
        const auto found = recounts.find(parent.id);
        const Recount recount =
            found == recounts.end() ? Recount() : found->second;
        if (Agrees(set.function, recount, parent.values[place])) continue;
        return Broken(absl::StrCat(
            "record ", parent.id, " of ", parents.name(), ": the roll-up ",
            set.field, " is wrong; it has ", recount.count, " children"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::map<std::string, Recount>> RecountChildren(
      const Collection& child, int rollup, const schema::RollupSpec::Set& set,
      int ref) {
    const int of =
        set.function == Function::kCount ? -1 : child.spec.FieldIndex(set.of);
    std::map<std::string, Recount> recounts;
    for (const StoredRecord& record : records_[child.id]) {
      const auto* parent = std::get_if<std::string>(&record.values[ref]);
      if (parent == nullptr || record.deleted_us.has_value()) continue;
      const auto& condition = child.rollup_conditions[rollup];
      const auto value_at = [&](int place) -> const ColumnValue& {
        return ValueAt(record, place);
      };
      if (condition.has_value() && !filter::Matches(*condition, value_at, 0)) {
        continue;
      }
      Recount& recount = recounts[*parent];
      ++recount.count;
      if (of < 0 || record.values[of].index() == 0) continue;
      const ColumnValue& value = record.values[of];
      recount.sum += AsNumber(value);
      if (!recount.least.has_value() || value < *recount.least) {
        recount.least = value;
      }
      if (!recount.most.has_value() || *recount.most < value) {
        recount.most = value;
      }
    }
    return recounts;
  }

  static double AsNumber(const ColumnValue& value) {
    if (const auto* whole = std::get_if<int64_t>(&value)) {
      return static_cast<double>(*whole);
    }
    const auto* number = std::get_if<double>(&value);
    return number == nullptr ? 0 : *number;
  }

  static bool Agrees(Function function, const Recount& recount,
                     const ColumnValue& held) {
    // Nothing was rolled up into it yet, or it has its default.
    if (recount.count == 0 && function != Function::kCount) return true;
    switch (function) {
      case Function::kCount:
        return AsNumber(held) == static_cast<double>(recount.count);
      case Function::kSum:
        // Adding and taking away rounds otherwise than adding up does.
        return std::abs(AsNumber(held) - recount.sum) <=
               1e-6 * std::max(1.0, std::abs(recount.sum));
      case Function::kMin:
        return recount.least.has_value() ? held == *recount.least
                                         : held.index() == 0;
      case Function::kMax:
        return recount.most.has_value() ? held == *recount.most
                                        : held.index() == 0;
    }
    return false;
  }

  absl::Status CheckVectors(const Collection& collection,
                            const Generation& generation) {
    const std::string table = QuoteIdentifier(collection.name());
    ASSIGN_OR_RETURN(
        const int64_t orphans,
        connection_.QueryInt(absl::StrCat(
            "SELECT count(*) FROM _vectors_", generation.id, " WHERE _key / ",
            kMaxChunks, " NOT IN (SELECT _row FROM ", table, ")")));
    if (orphans > 0) {
      return Broken(absl::StrCat(orphans, " vectors belong to no record"));
    }
    ASSIGN_OR_RETURN(const int64_t entries,
                     connection_.QueryInt(absl::StrCat(
                         "SELECT count(*) FROM _outbox WHERE generation = ",
                         generation.id, " AND row NOT IN (SELECT _row FROM ",
                         table, LiveRecords(collection.spec, " WHERE "), ")")));
    if (entries > 0) {
      return Broken(
          absl::StrCat(entries, " outbox entries belong to no record"));
    }
    ASSIGN_OR_RETURN(
        const int64_t failures,
        connection_.QueryInt(absl::StrCat(
            "SELECT count(*) FROM _failures WHERE generation = ", generation.id,
            " AND (row NOT IN (SELECT _row FROM ", table,
            LiveRecords(collection.spec, " WHERE "),
            ") OR row IN (SELECT row FROM _outbox WHERE generation = ",
            generation.id, "))")));
    if (failures == 0) return absl::OkStatus();
    return Broken(absl::StrCat(
        failures, " failures belong to no record, or to one that waits"));
  }

  sqlite::Connection& connection_;
  const std::vector<CollectionPtr> collections_;
  std::map<std::string, const Collection*> by_name_;
  // By collection.
  std::map<int64_t, Records> records_;
};

}  // namespace

absl::Status CheckStore(const std::string& path) {
  ASSIGN_OR_RETURN(const auto connection,
                   sqlite::Connection::Open(path, sqlite::Access::kReadWrite));
  // Undone at the end: nothing of the check itself stays.
  ASSIGN_OR_RETURN(const auto transaction,
                   sqlite::Transaction::Begin(
                       *connection, sqlite::Transaction::Kind::kWrite));
  ASSIGN_OR_RETURN(auto collections, ReadCollections(*connection));
  return Checker(*connection, std::move(collections)).Check();
}

}  // namespace engram::storage::testing
