#include "services/storage/record_merger.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/filter/evaluate.h"
#include "libs/json/json.h"
#include "libs/schema/record_scope.h"
#include "services/storage/json_text.h"
#include "services/storage/merge_rules.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

using Action = RecordItem::Action;

bool IsMissing(const ColumnValue& value) { return value.index() == 0; }

bool IsComputed(const schema::FieldSpec& field) {
  return !field.generated.empty() || !field.extract.empty();
}

// What the item sends for a field; null if it does not send it.
const ColumnValue* FindSent(const RecordItem& item, int place) {
  const auto found =
      std::lower_bound(item.sent.begin(), item.sent.end(), place,
                       [](const Assignment& assignment, int wanted) {
                         return assignment.field < wanted;
                       });
  const bool sent = found != item.sent.end() && found->field == place;
  return sent ? &found->value : nullptr;
}

// Whether the item says itself what becomes of the field.
bool Sets(const RecordItem& item, int place) {
  return FindSent(item, place) != nullptr ||
         std::any_of(item.transforms.begin(), item.transforms.end(),
                     [&](const auto& t) { return t.field == place; });
}

ColumnValue DefaultOf(const schema::FieldSpec& field, int64_t now_us) {
  return field.default_now ? ColumnValue(now_us) : field.default_value;
}

ColumnValue Evaluate(const filter::Node& expression, const StoredRecord& record,
                     int64_t now_us) {
  return filter::Evaluate(
      expression,
      [&](int place) -> const ColumnValue& { return ValueAt(record, place); },
      now_us);
}

// What stands in the record's json field at the field's path; missing if that
// is nothing, or nothing that the field can hold.
ColumnValue Extract(const schema::CollectionSpec& spec,
                    const schema::FieldSpec& field,
                    const StoredRecord& record) {
  const std::vector<std::string> path = absl::StrSplit(field.extract, '.');
  const auto* json =
      std::get_if<std::string>(&record.values[spec.FieldIndex(path.front())]);
  if (json == nullptr) return ColumnValue();
  const std::optional<absl::string_view> found =
      FindInJson(*json, absl::MakeConstSpan(path).subspan(1));
  if (!found.has_value()) return ColumnValue();
  thread_local json::Parser parser;
  google::protobuf::Value parsed;
  if (!parser.ParseValue(*found, &parsed).ok()) return ColumnValue();
  absl::StatusOr<ColumnValue> value = schema::DecodeValue(field.type, parsed);
  return value.ok() ? *std::move(value) : ColumnValue();
}

// Computes the values of one record.
class Merger {
 public:
  Merger(const RecordItem& item, int64_t now_us, StoredRecord& record,
         FieldViolations& violations)
      : item_(item),
        collection_(*item.collection),
        spec_(collection_.spec),
        now_us_(now_us),
        record_(record),
        violations_(violations) {}

  void Make();
  bool Change(const StoredRecord& existing);

 private:
  // Steps of both, in order.
  void Assign();
  void Merge(const StoredRecord& existing);
  void Replace(const StoredRecord& existing);
  void Transform();
  void ExtractFields();
  // Sets `on_update: now` fields if others changed; returns whether they did.
  bool SetUpdateTimes(const StoredRecord& existing);

  absl::StatusOr<ColumnValue> Merged(const schema::FieldSpec& field,
                                     const StoredRecord& existing, int place,
                                     const ColumnValue& sent);
  absl::StatusOr<ColumnValue> MergedByExpression(const StoredRecord& existing,
                                                 int place);
  absl::StatusOr<ColumnValue> Transformed(const FieldTransform& transform);

  // Gives the field a value computed here, or adds a violation at `path()`.
  template <typename Path>
  void Store(int place, absl::StatusOr<ColumnValue> value, Path path) {
    absl::Status problem = value.status();
    if (problem.ok()) problem = CheckComputed(spec_, place, *value);
    if (problem.ok()) {
      record_.values[place] = *std::move(value);
    } else {
      violations_.Add(path(), problem.message());
    }
  }

  std::string PathOf(int place) const {
    return FieldPath(item_.FieldsPath(), spec_.fields[place].name);
  }

  const RecordItem& item_;
  const Collection& collection_;
  const schema::CollectionSpec& spec_;
  const int64_t now_us_;
  StoredRecord& record_;
  FieldViolations& violations_;
};

void Merger::Make() {
  record_.version = 1;
  record_.created_us = now_us_;
  record_.updated_us = now_us_;
  record_.expires_us.reset();
  record_.deleted_us.reset();
  record_.values.resize(spec_.fields.size());
  auto sent = item_.sent.begin();
  for (size_t place = 0; place < spec_.fields.size(); ++place) {
    const schema::FieldSpec& field = spec_.fields[place];
    ColumnValue& value = record_.values[place];
    if (sent != item_.sent.end() && sent->field == static_cast<int>(place)) {
      value = sent->value;
      ++sent;
    } else if (field.default_now) {
      value = now_us_;
    } else {
      value = field.default_value;
    }
  }
  Transform();
  ExtractFields();
  FillGenerated(collection_, record_);
  record_.expires_us =
      ExpiryOf(collection_, record_.values, record_.created_us, now_us_);
}

bool Merger::Change(const StoredRecord& existing) {
  record_ = existing;
  switch (item_.action) {
    case Action::kUpsert:
      Merge(existing);
      break;
    case Action::kReplace:
      Replace(existing);
      break;
    default:
      Assign();
  }
  Transform();
  ExtractFields();
  const bool changed = SetUpdateTimes(existing);
  if (changed) {
    ++record_.version;
    record_.updated_us = now_us_;
    FillGenerated(collection_, record_);
  }
  record_.expires_us =
      ExpiryOf(collection_, record_.values, record_.created_us, now_us_);
  return changed;
}

void Merger::Assign() {
  for (const Assignment& sent : item_.sent) {
    record_.values[sent.field] = sent.value;
  }
}

void Merger::Merge(const StoredRecord& existing) {
  const std::vector<int>& standing = collection_.standing_merges;
  for (const int place : standing) {
    Store(place, MergedByExpression(existing, place),
          [&] { return PathOf(place); });
  }
  for (const Assignment& sent : item_.sent) {
    const schema::FieldSpec& field = spec_.fields[sent.field];
    ColumnValue& value = record_.values[sent.field];
    if (std::binary_search(standing.begin(), standing.end(), sent.field)) {
      continue;
    }
    if (field.merge == schema::Merge::kKeep) {
      if (IsMissing(value)) value = sent.value;
    } else if (field.merge == schema::Merge::kReplace ||
               IsMissing(sent.value)) {
      value = sent.value;
    } else {
      Store(sent.field, Merged(field, existing, sent.field, sent.value),
            [&] { return PathOf(sent.field); });
    }
  }
}

absl::StatusOr<ColumnValue> Merger::Merged(const schema::FieldSpec& field,
                                           const StoredRecord& existing,
                                           int place, const ColumnValue& sent) {
  const ColumnValue& held = existing.values[place];
  switch (field.merge) {
    case schema::Merge::kAdd:
      return Sum(held, sent);
    case schema::Merge::kMax:
      return Larger(field, held, sent);
    case schema::Merge::kMin:
      return Smaller(field, held, sent);
    case schema::Merge::kAppend:
      return Append(held, ListElements(std::get<std::string>(sent)), {});
    case schema::Merge::kUnion:
      return Append(held, ListElements(std::get<std::string>(sent)),
                    {.unique = true});
    case schema::Merge::kExpression:
      return MergedByExpression(existing, place);
    case schema::Merge::kReplace:
    case schema::Merge::kKeep:
      break;
  }
  return sent;
}

absl::StatusOr<ColumnValue> Merger::MergedByExpression(
    const StoredRecord& existing, int place) {
  static const ColumnValue kMissing;
  return filter::Evaluate(
      *collection_.merges[place],
      [&](int wanted) -> const ColumnValue& {
        if (wanted < schema::kSentPlace) return ValueAt(existing, wanted);
        const ColumnValue* sent = FindSent(item_, wanted - schema::kSentPlace);
        return sent == nullptr ? kMissing : *sent;
      },
      now_us_);
}

void Merger::Replace(const StoredRecord& existing) {
  auto sent = item_.sent.begin();
  for (size_t i = 0; i < spec_.fields.size(); ++i) {
    const int place = static_cast<int>(i);
    const schema::FieldSpec& field = spec_.fields[i];
    ColumnValue& value = record_.values[i];
    if (sent != item_.sent.end() && sent->field == place) {
      value = sent->value;
      ++sent;
      continue;
    }
    const bool keeps =
        IsComputed(field) || field.on_update_now ||
        (field.immutable && !IsMissing(existing.values[i])) ||
        std::binary_search(item_.kept.begin(), item_.kept.end(), place);
    if (!keeps) value = DefaultOf(field, now_us_);
  }
}

void Merger::Transform() {
  for (size_t i = 0; i < item_.transforms.size(); ++i) {
    const FieldTransform& transform = item_.transforms[i];
    Store(transform.field, Transformed(transform),
          [&] { return item_.PathOf(absl::StrCat("transforms[", i, "]")); });
  }
}

absl::StatusOr<ColumnValue> Merger::Transformed(
    const FieldTransform& transform) {
  const schema::FieldSpec& field = spec_.fields[transform.field];
  const ColumnValue& held = record_.values[transform.field];
  const std::vector<absl::string_view> elements(transform.elements.begin(),
                                                transform.elements.end());
  switch (transform.kind) {
    case FieldTransform::Kind::kIncrement:
      return Sum(held, transform.value);
    case FieldTransform::Kind::kMax:
      return Larger(field, held, transform.value);
    case FieldTransform::Kind::kMin:
      return Smaller(field, held, transform.value);
    case FieldTransform::Kind::kAppend:
      return Append(held, elements, {.keep_last = transform.keep_last});
    case FieldTransform::Kind::kAppendUnique:
      return Append(held, elements,
                    {.unique = true, .keep_last = transform.keep_last});
    case FieldTransform::Kind::kRemove:
      return Remove(held, elements);
    case FieldTransform::Kind::kSetNow:
      return transform.if_absent && !IsMissing(held) ? held
                                                     : ColumnValue(now_us_);
    case FieldTransform::Kind::kSetIfAbsent:
      return IsMissing(held) ? transform.value : held;
    case FieldTransform::Kind::kExpression:
      return Evaluate(*transform.expression, record_, now_us_);
  }
  return held;
}

void Merger::ExtractFields() {
  for (size_t place = 0; place < spec_.fields.size(); ++place) {
    if (spec_.fields[place].extract.empty()) continue;
    Store(static_cast<int>(place), Extract(spec_, spec_.fields[place], record_),
          [&] { return PathOf(static_cast<int>(place)); });
  }
}

bool Merger::SetUpdateTimes(const StoredRecord& existing) {
  const auto is_own = [&](size_t place) {
    return spec_.fields[place].on_update_now &&
           !Sets(item_, static_cast<int>(place));
  };
  bool changed = false;
  for (size_t place = 0; place < spec_.fields.size() && !changed; ++place) {
    changed = record_.values[place] != existing.values[place] &&
              spec_.fields[place].generated.empty() && !is_own(place);
  }
  if (!changed) return false;
  for (size_t place = 0; place < spec_.fields.size(); ++place) {
    if (is_own(place)) record_.values[place] = now_us_;
  }
  return true;
}

// Where a check that spans fields is broken.
std::string DescribeCheck(absl::string_view check) {
  return absl::StrCat("breaks the check `", CutText(check, 200), "`");
}

absl::Status VersionMismatch(const RecordItem& item,
                             const StoredRecord* existing) {
  const std::string held =
      existing == nullptr ? "does not exist"
                          : absl::StrCat("has version ", existing->version);
  const std::string wanted =
      *item.condition.version == 0
          ? "no such record"
          : absl::StrCat("version ", *item.condition.version);
  const std::string& id = existing == nullptr ? item.id : existing->id;
  return MakeError(
      absl::StatusCode::kAborted, common::v1::ERROR_REASON_VERSION_MISMATCH,
      absl::StrCat("record \"", id, "\" of \"", item.collection->name(), "\" ",
                   held, ", but the write wants ", wanted,
                   "; read it again and retry"),
      {{"collection", item.collection->name()},
       {"id", id},
       {"version",
        existing == nullptr ? "0" : absl::StrCat(existing->version)}});
}

}  // namespace

void MakeRecord(const RecordItem& item, int64_t now_us, StoredRecord& record,
                FieldViolations& violations) {
  Merger(item, now_us, record, violations).Make();
}

bool ChangeRecord(const RecordItem& item, const StoredRecord& existing,
                  int64_t now_us, StoredRecord& record,
                  FieldViolations& violations) {
  return Merger(item, now_us, record, violations).Change(existing);
}

void CheckRecord(const Collection& collection, const StoredRecord* before,
                 const StoredRecord& after, absl::string_view path,
                 int64_t now_us, FieldViolations& violations) {
  const schema::CollectionSpec& spec = collection.spec;
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    const schema::FieldSpec& field = spec.fields[place];
    const ColumnValue& value = after.values[place];
    if (field.required && IsMissing(value)) {
      violations.Add(FieldPath(path, field.name),
                     "is required; give it a value");
    }
    if (field.immutable && before != nullptr &&
        !IsMissing(before->values[place]) && before->values[place] != value) {
      violations.Add(
          FieldPath(path, field.name),
          absl::StrCat("is immutable and has the value ",
                       schema::ShowValue(field.type, before->values[place]),
                       "; leave it out"));
    }
  }
  for (size_t i = 0; i < collection.checks.size(); ++i) {
    const bool met = filter::Matches(
        collection.checks[i],
        [&](int place) -> const ColumnValue& { return ValueAt(after, place); },
        now_us);
    if (!met) violations.Add(path, DescribeCheck(spec.checks[i]));
  }
}

void CheckValues(const Collection& collection,
                 absl::Span<const ColumnValue> values, absl::string_view path,
                 FieldViolations& violations) {
  for (size_t place = 0; place < values.size(); ++place) {
    const absl::Status status =
        CheckComputed(collection.spec, static_cast<int>(place), values[place]);
    if (status.ok()) continue;
    violations.Add(FieldPath(path, collection.spec.fields[place].name),
                   status.message());
  }
}

absl::Status CheckCondition(const RecordItem& item,
                            const StoredRecord* existing, int64_t now_us) {
  const WriteCondition& condition = item.condition;
  if (condition.version.has_value()) {
    const int64_t version = existing == nullptr ? 0 : existing->version;
    if (version != *condition.version) return VersionMismatch(item, existing);
  }
  if (!condition.filter.has_value() || existing == nullptr) {
    return absl::OkStatus();
  }
  const bool met = filter::Matches(
      *condition.filter,
      [&](int place) -> const ColumnValue& {
        return ValueAt(*existing, place);
      },
      now_us);
  if (met) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_CONDITION_UNMET,
      absl::StrCat("record \"", existing->id, "\" of \"",
                   item.collection->name(), "\" does not meet the condition `",
                   condition.text, "`"),
      {{"collection", item.collection->name()},
       {"id", existing->id},
       {"version", absl::StrCat(existing->version)}});
}

void FillGenerated(const Collection& collection, StoredRecord& record) {
  for (size_t place = 0; place < collection.generated.size(); ++place) {
    const std::optional<filter::Node>& node = collection.generated[place];
    // It uses neither now nor another generated field.
    if (node.has_value()) record.values[place] = Evaluate(*node, record, 0);
  }
}

void FillComputed(const Collection& collection, StoredRecord& record) {
  const schema::CollectionSpec& spec = collection.spec;
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    if (spec.fields[place].extract.empty()) continue;
    record.values[place] = Extract(spec, spec.fields[place], record);
  }
  FillGenerated(collection, record);
}

std::optional<int64_t> ExpiryOf(const Collection& collection,
                                absl::Span<const ColumnValue> values,
                                int64_t created_us, int64_t now_us) {
  if (!collection.expires()) return std::nullopt;
  const schema::ExpireSpec& expire = *collection.spec.expire;
  if (!expire.field.empty()) {
    const auto* time =
        std::get_if<int64_t>(&values[collection.spec.FieldIndex(expire.field)]);
    if (time == nullptr) return std::nullopt;
    return *time;
  }
  int64_t expires = 0;
  if (__builtin_add_overflow(expire.sliding ? now_us : created_us,
                             absl::ToInt64Microseconds(expire.after),
                             &expires)) {
    return std::nullopt;
  }
  return expires;
}

}  // namespace engram::storage
