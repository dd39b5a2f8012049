#include "services/storage/rollup_keeper.h"

#include <sqlite3.h>

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/filter/evaluate.h"
#include "libs/filter/sql.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/record_merger.h"

namespace engram::storage {
namespace {

using Function = schema::RollupSpec::Function;

// How deep roll-ups of roll-ups may go; refs that go round would never end.
constexpr int kMaxLevels = 64;

bool IsMissing(const ColumnValue& value) { return value.index() == 0; }

// `value` plus or minus `by`, where a missing one counts as 0. Nothing if the
// result is no int any more.
std::optional<ColumnValue> Moved(const ColumnValue& value,
                                 const ColumnValue& by, bool down) {
  if (IsMissing(by)) return value;
  const auto* whole = std::get_if<int64_t>(&value);
  const auto* step = std::get_if<int64_t>(&by);
  if (whole != nullptr && step != nullptr) {
    int64_t result;
    const bool overflows = down
                               ? __builtin_sub_overflow(*whole, *step, &result)
                               : __builtin_add_overflow(*whole, *step, &result);
    if (overflows) return std::nullopt;
    return ColumnValue(result);
  }
  const auto number = [](const ColumnValue& of) {
    const auto* held = std::get_if<int64_t>(&of);
    return held != nullptr ? static_cast<double>(*held) : std::get<double>(of);
  };
  return ColumnValue(down ? number(value) - number(by)
                          : number(value) + number(by));
}

// A sum in the type of the field that holds it.
ColumnValue AsSumOf(schema::FieldType type, ColumnValue value) {
  if (type != schema::FieldType::kDouble) {
    return IsMissing(value) ? ColumnValue(int64_t{0}) : value;
  }
  if (IsMissing(value)) return 0.0;
  const auto* whole = std::get_if<int64_t>(&value);
  return whole != nullptr ? ColumnValue(static_cast<double>(*whole)) : value;
}

// The SELECT of a roll-up's values over all children of a parent, and its
// parameters after the parent's id.
filter::Sql RecomputeSql(const Collection& child, int rollup, int64_t now_us) {
  const schema::RollupSpec& spec = child.spec.rollups[rollup];
  filter::Sql sql;
  absl::string_view before = "SELECT ";
  for (const schema::RollupSpec::Set& set : spec.set) {
    absl::StrAppend(&sql.text, before);
    before = ", ";
    switch (set.function) {
      case Function::kCount:
        absl::StrAppend(&sql.text, "count(*)");
        break;
      case Function::kSum:
        absl::StrAppend(&sql.text, "sum(", QuoteIdentifier(set.of), ")");
        break;
      case Function::kMin:
        absl::StrAppend(&sql.text, "min(", QuoteIdentifier(set.of), ")");
        break;
      case Function::kMax:
        absl::StrAppend(&sql.text, "max(", QuoteIdentifier(set.of), ")");
        break;
    }
  }
  absl::StrAppend(&sql.text, " FROM ", QuoteIdentifier(child.name()), " WHERE ",
                  QuoteIdentifier(spec.parent), " = ?");
  if (child.keeps_deleted()) {
    absl::StrAppend(&sql.text, " AND _deleted_us IS NULL");
  }
  const std::optional<filter::Node>& condition =
      child.rollup_conditions[rollup];
  if (!condition.has_value()) return sql;
  const auto column = [&](int place) {
    return QuoteIdentifier(child.spec.fields[place].name);
  };
  filter::Sql where = filter::CompileSql(
      *condition,
      {.column = column, .rows_with_element = [](int) { return ""; }}, now_us);
  absl::StrAppend(&sql.text, " AND (", where.text, ")");
  sql.parameters = std::move(where.parameters);
  return sql;
}

}  // namespace

std::optional<RollupKeeper::Entry> RollupKeeper::MakeEntry(
    const Collection& collection, int rollup, const StoredRecord* child) const {
  if (child == nullptr || child->deleted_us.has_value()) return std::nullopt;
  const schema::RollupSpec& spec = collection.spec.rollups[rollup];
  const auto* parent = std::get_if<std::string>(
      &child->values[collection.spec.FieldIndex(spec.parent)]);
  if (parent == nullptr) return std::nullopt;
  const std::optional<filter::Node>& condition =
      collection.rollup_conditions[rollup];
  const auto value_at = [&](int place) -> const ColumnValue& {
    return ValueAt(*child, place);
  };
  if (condition.has_value() &&
      !filter::Matches(*condition, value_at, transaction_.now_us())) {
    return std::nullopt;
  }
  Entry entry = {
      .collection = collection.id, .rollup = rollup, .parent = *parent};
  for (const schema::RollupSpec::Set& set : spec.set) {
    entry.values.push_back(
        set.function == Function::kCount
            ? ColumnValue()
            : child->values[collection.spec.FieldIndex(set.of)]);
  }
  return entry;
}

void RollupKeeper::Begin(const Collection& collection,
                         StoredRecord& parent) const {
  bool changed = false;
  for (const Referrer& referrer : collection.referrers) {
    const CollectionPtr child = catalog_.FindById(referrer.collection);
    if (child == nullptr) continue;
    for (const schema::RollupSpec& rollup : child->spec.rollups) {
      if (child->spec.FieldIndex(rollup.parent) != referrer.field) continue;
      for (const schema::RollupSpec::Set& set : rollup.set) {
        if (set.function != Function::kCount &&
            set.function != Function::kSum) {
          continue;
        }
        const int place = collection.spec.FieldIndex(set.field);
        if (!IsMissing(parent.values[place])) continue;
        parent.values[place] =
            AsSumOf(collection.spec.fields[place].type, ColumnValue());
        changed = true;
      }
    }
  }
  if (changed) FillComputed(collection, parent);
}

void RollupKeeper::Note(const Collection& collection,
                        const StoredRecord* before, const StoredRecord* after) {
  for (size_t i = 0; i < collection.spec.rollups.size(); ++i) {
    const int rollup = static_cast<int>(i);
    std::optional<Entry> went = MakeEntry(collection, rollup, before);
    std::optional<Entry> came = MakeEntry(collection, rollup, after);
    if (went.has_value() && came.has_value() && went->parent == came->parent &&
        went->values == came->values) {
      continue;
    }
    if (went.has_value()) notes_.push_back(*std::move(went));
    if (!came.has_value()) continue;
    came->came = true;
    notes_.push_back(*std::move(came));
  }
}

absl::Status RollupKeeper::Flush() {
  for (int level = 0; !notes_.empty(); ++level) {
    if (level == kMaxLevels) {
      return absl::FailedPreconditionError(
          absl::StrCat("roll-ups of roll-ups go on for more than ", kMaxLevels,
                       " levels; do the refs go round?"));
    }
    std::vector<Entry> entries;
    entries.swap(notes_);
    const auto target_of = [&](const Entry& entry) {
      const CollectionPtr child = catalog_.FindById(entry.collection);
      const schema::CollectionSpec& spec = child->spec;
      return catalog_.Find(
          spec.FindField(spec.rollups[entry.rollup].parent)->target);
    };
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) {
                       return std::tie(a.parent, a.collection, a.rollup) <
                              std::tie(b.parent, b.collection, b.rollup);
                     });
    // Runs of one parent's id may hold parents of several collections.
    for (auto begin = entries.begin(); begin != entries.end();) {
      auto end = std::find_if(begin, entries.end(), [&](const Entry& entry) {
        return entry.parent != begin->parent;
      });
      while (begin != end) {
        const CollectionPtr target = target_of(*begin);
        const auto next =
            std::stable_partition(begin, end, [&](const Entry& entry) {
              return target_of(entry)->id == target->id;
            });
        RETURN_IF_ERROR(
            WriteParent(*target, absl::MakeConstSpan(&*begin, next - begin)));
        begin = next;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status RollupKeeper::WriteParent(const Collection& target,
                                       absl::Span<const Entry> entries) {
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> before,
                   store_.FindById(target, entries[0].parent));
  // It has gone with its children, or the ref is found missing next.
  if (!before.has_value()) return absl::OkStatus();
  StoredRecord after = *before;
  std::vector<int> places;
  while (!entries.empty()) {
    size_t run = 1;
    while (run < entries.size() &&
           entries[run].collection == entries[0].collection &&
           entries[run].rollup == entries[0].rollup) {
      ++run;
    }
    RETURN_IF_ERROR(Apply(target, entries.subspan(0, run), after));
    entries.remove_prefix(run);
  }
  if (after.values == before->values) return absl::OkStatus();
  if (before->deleted_us.has_value()) {
    // Nobody sees it change; when it comes back it must be right.
    for (size_t i = 0; i < after.values.size(); ++i) {
      if (after.values[i] != before->values[i]) {
        places.push_back(static_cast<int>(i));
      }
    }
    return store_.Touch(target, after, places);
  }
  for (size_t i = 0; i < after.values.size(); ++i) {
    if (target.spec.fields[i].on_update_now) {
      after.values[i] = transaction_.now_us();
    }
  }
  FillComputed(target, after);
  // What has expired stays so.
  if (!before->HasExpiredAt(transaction_.now_us())) {
    after.expires_us =
        ExpiryOf(target, after.values, after.created_us, transaction_.now_us());
  }
  ASSIGN_OR_RETURN(const bool updated,
                   store_.Update(target, *before, after, {}));
  if (!updated) {
    return absl::AlreadyExistsError(
        absl::StrCat("collection \"", target.name(), "\": the roll-up of \"",
                     after.id, "\" would repeat another record's unique key"));
  }
  Note(target, &*before, &after);
  return absl::OkStatus();
}

absl::Status RollupKeeper::Apply(const Collection& target,
                                 absl::Span<const Entry> entries,
                                 StoredRecord& parent) {
  const CollectionPtr child = catalog_.FindById(entries[0].collection);
  const schema::RollupSpec& spec = child->spec.rollups[entries[0].rollup];
  std::vector<ColumnValue> results;
  for (size_t i = 0; i < spec.set.size(); ++i) {
    const Function function = spec.set[i].function;
    const ColumnValue& held =
        parent.values[target.spec.FieldIndex(spec.set[i].field)];
    if (IsMissing(held)) return Recompute(*child, entries[0], target, parent);
    ColumnValue result = held;
    for (const Entry& entry : entries) {
      const ColumnValue& value = entry.values[i];
      if (function == Function::kCount || function == Function::kSum) {
        const auto moved = Moved(
            result,
            function == Function::kCount ? ColumnValue(int64_t{1}) : value,
            /*down=*/!entry.came);
        if (!moved.has_value()) {
          return Recompute(*child, entries[0], target, parent);
        }
        result = *moved;
      } else if (entry.came && !IsMissing(value)) {
        result = function == Function::kMin ? std::min(result, value)
                                            : std::max(result, value);
      }
    }
    for (const Entry& entry : entries) {
      if (entry.came || IsMissing(entry.values[i])) continue;
      // The least or largest may be the one that went.
      if ((function == Function::kMin && entry.values[i] <= result) ||
          (function == Function::kMax && entry.values[i] >= result)) {
        return Recompute(*child, entries[0], target, parent);
      }
    }
    results.push_back(std::move(result));
  }
  for (size_t i = 0; i < spec.set.size(); ++i) {
    parent.values[target.spec.FieldIndex(spec.set[i].field)] =
        std::move(results[i]);
  }
  return absl::OkStatus();
}

absl::Status RollupKeeper::Recompute(const Collection& child,
                                     const Entry& entry,
                                     const Collection& target,
                                     StoredRecord& parent) {
  const filter::Sql sql =
      RecomputeSql(child, entry.rollup, transaction_.now_us());
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(sql.text));
  select.BindText(1, entry.parent);
  for (size_t i = 0; i < sql.parameters.size(); ++i) {
    BindColumn(select, static_cast<int>(i) + 2, sql.parameters[i]);
  }
  const absl::Status computed = select.Step().status();
  if (!computed.ok()) {
    // What SQLite says of a sum that no int holds.
    if (transaction_.connection().last_error() != SQLITE_ERROR) return computed;
    return absl::FailedPreconditionError(absl::StrCat(
        "collection \"", target.name(), "\": a sum that record \"", parent.id,
        "\" keeps of its \"", child.name(), "\" is larger than an int can be"));
  }
  const schema::RollupSpec& spec = child.spec.rollups[entry.rollup];
  for (size_t i = 0; i < spec.set.size(); ++i) {
    const int place = target.spec.FieldIndex(spec.set[i].field);
    ColumnValue value = ReadColumn(select, static_cast<int>(i));
    if (spec.set[i].function == Function::kSum) {
      value = AsSumOf(target.spec.fields[place].type, std::move(value));
    }
    parent.values[place] = std::move(value);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
