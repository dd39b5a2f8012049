#include "libs/schema/schema_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_reader.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/record_scope.h"

namespace engram::schema {
namespace {

using Collections = std::map<absl::string_view, const CollectionSpec*>;
// A collection and one of its fields.
using FieldKey = std::pair<absl::string_view, absl::string_view>;

bool IsTouched(const CollectionSpec& spec, absl::string_view field) {
  return spec.touch.has_value() &&
         std::any_of(spec.touch->set.begin(), spec.touch->set.end(),
                     [&](const auto& set) { return set.field == field; });
}

// Why the parent's field cannot take the function's result; empty if it can.
std::string WhyUnfit(const CollectionSpec& parent, const FieldSpec& field,
                     RollupSpec::Function function, const FieldSpec* of) {
  const absl::string_view computed = WhyComputed(field);
  if (!computed.empty()) return std::string(computed);
  if (field.immutable) return "is immutable";
  if (field.on_update_now) return "is set on each update";
  if (field.unique) return "is unique";
  if (IsTouched(parent, field.name)) return "is touched by reading";
  const FieldType type = field.type;
  const auto wrong_type = [&](absl::string_view wanted) {
    return absl::StrCat("is of type ", FieldTypeName(type), ", not ", wanted);
  };
  switch (function) {
    case RollupSpec::Function::kCount:
      if (type != FieldType::kInt) return wrong_type("int");
      return "";
    case RollupSpec::Function::kSum:
      if (type == FieldType::kDouble || type == of->type) return "";
      return wrong_type(FieldTypeName(of->type));
    case RollupSpec::Function::kMin:
    case RollupSpec::Function::kMax:
      if (type != of->type) return wrong_type(FieldTypeName(of->type));
      if (field.required) return "is required, though there may be no minimum";
      return "";
  }
  return "";
}

// Checks what one collection says of the others.
class ReferenceCheck {
 public:
  ReferenceCheck(const std::vector<const CollectionSpec*>& all,
                 ReportMistake report)
      : report_(report) {
    for (const CollectionSpec* spec : all) collections_[spec->name] = spec;
    for (const CollectionSpec* spec : all) FindKeptFields(*spec);
  }

  void Check(const CollectionSpec& spec) {
    for (const FieldSpec& field : spec.fields) {
      if (field.type == FieldType::kRef) CheckTarget(spec, field);
    }
    for (size_t i = 0; i < spec.rollups.size(); ++i) {
      CheckRollup(spec, spec.rollups[i], absl::StrCat("rollups[", i, "]"));
    }
  }

 private:
  // Null if the parent is none that exists, which is reported as the ref's.
  const CollectionSpec* ParentOf(const CollectionSpec& spec,
                                 const RollupSpec& rollup) const {
    const FieldSpec* ref = spec.FindField(rollup.parent);
    if (ref == nullptr) return nullptr;
    const auto found = collections_.find(ref->target);
    return found == collections_.end() ? nullptr : found->second;
  }

  void FindKeptFields(const CollectionSpec& spec) {
    for (const RollupSpec& rollup : spec.rollups) {
      const CollectionSpec* parent = ParentOf(spec, rollup);
      if (parent == nullptr) continue;
      for (const auto& set : rollup.set) {
        ++kept_[FieldKey(parent->name, set.field)];
      }
    }
  }

  void CheckTarget(const CollectionSpec& spec, const FieldSpec& field) {
    if (collections_.count(field.target)) return;
    std::vector<absl::string_view> names;
    for (const auto& [name, collection] : collections_) names.push_back(name);
    report_(spec.name, absl::StrCat("fields.", field.name, ".type"),
            absl::StrCat("no collection \"", field.target,
                         "\"; declare it in the same apply",
                         DidYouMean(field.target, names)));
  }

  void CheckRollup(const CollectionSpec& spec, const RollupSpec& rollup,
                   const std::string& path) {
    const CollectionSpec* parent = ParentOf(spec, rollup);
    if (parent == nullptr) return;
    for (const auto& set : rollup.set) {
      CheckSet(spec, *parent, set, absl::StrCat(path, ".set.", set.field));
    }
    if (rollup.where.empty()) return;
    const auto where = filter::ParseFilter(rollup.where, RecordScope(spec), {});
    if (!where.ok()) return;
    for (const int place : filter::PlacesUsed(*where)) {
      if (place < 0) continue;
      CheckSource(spec, spec.fields[place].name, absl::StrCat(path, ".where"));
    }
  }

  void CheckSet(const CollectionSpec& spec, const CollectionSpec& parent,
                const RollupSpec::Set& set, const std::string& path) {
    const FieldSpec* field = parent.FindField(set.field);
    if (field == nullptr) {
      std::vector<absl::string_view> names;
      for (const FieldSpec& known : parent.fields) names.push_back(known.name);
      report_(
          spec.name, path,
          absl::StrCat("the collection \"", parent.name, "\" has no such field",
                       DidYouMean(set.field, names)));
      return;
    }
    const FieldSpec* of = spec.FindField(set.of);
    const bool counts = set.function == RollupSpec::Function::kCount;
    if (!counts && of == nullptr) return;
    const std::string why = WhyUnfit(parent, *field, set.function, of);
    if (!why.empty()) {
      report_(spec.name, path,
              absl::StrCat("the field of \"", parent.name, "\" ", why));
    } else if (kept_[FieldKey(parent.name, set.field)] > 1) {
      report_(spec.name, path,
              absl::StrCat("the field of \"", parent.name,
                           "\" is kept by another roll-up too; keep one"));
    }
    if (!counts) CheckSource(spec, set.of, path);
  }

  // Reports a field that a roll-up reads and that changes without a write of
  // the record, which the roll-up would miss.
  void CheckSource(const CollectionSpec& spec, const std::string& field,
                   const std::string& path) {
    if (kept_.count(FieldKey(spec.name, field))) {
      report_(spec.name, path,
              absl::StrCat("uses the field \"", field,
                           "\", which is itself kept by a roll-up; roll up "
                           "what that one uses"));
    } else if (IsTouched(spec, field)) {
      report_(spec.name, path,
              absl::StrCat("uses the field \"", field,
                           "\", which reading changes (touch); remove one"));
    }
    const FieldSpec* known = spec.FindField(field);
    if (known == nullptr || known->generated.empty()) return;
    // Generated fields are made of others, and of no generated ones.
    const auto expression = filter::ParseExpression(
        known->generated, RecordScope(spec), known->type, {});
    if (!expression.ok()) return;
    for (const int place : filter::PlacesUsed(*expression)) {
      if (place >= 0) CheckSource(spec, spec.fields[place].name, path);
    }
  }

  const ReportMistake report_;
  Collections collections_;
  // How many roll-ups set each field.
  std::map<FieldKey, int> kept_;
};

}  // namespace

void CheckReferences(const std::vector<const CollectionSpec*>& all,
                     ReportMistake report) {
  ReferenceCheck check(all, report);
  for (const CollectionSpec* spec : all) check.Check(*spec);
}

void CheckRenames(const std::vector<const CollectionSpec*>& declared,
                  ReportMistake report) {
  std::set<absl::string_view> names;
  for (const CollectionSpec* spec : declared) names.insert(spec->name);
  std::set<absl::string_view> earlier;
  for (const CollectionSpec* spec : declared) {
    const std::string& from = spec->renamed_from;
    if (from.empty()) continue;
    if (names.count(from)) {
      report(spec->name, "renamed_from",
             absl::StrCat("names \"", from,
                          "\", which is declared as well; remove one"));
    } else if (!earlier.insert(from).second) {
      report(spec->name, "renamed_from",
             absl::StrCat("names \"", from,
                          "\", as another collection does; keep one"));
    }
  }
}

}  // namespace engram::schema
