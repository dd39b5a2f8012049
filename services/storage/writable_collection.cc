#include "services/storage/writable_collection.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/json_text.h"

namespace engram::storage {
namespace {

// A name longer than any field's is cut in messages and paths.
constexpr size_t kShownNameBytes = 64;

absl::Status TooLong(size_t bytes) {
  return absl::InvalidArgumentError(absl::StrCat(
      "has ", bytes, " bytes; an index takes at most ", kMaxIndexedBytes));
}

// The fields of `collection` that roll-ups of others keep.
std::vector<int> FindKept(const Collection& collection,
                          const Catalog& catalog) {
  std::vector<int> kept;
  for (const Referrer& referrer : collection.referrers) {
    const CollectionPtr child = catalog.FindById(referrer.collection);
    if (child == nullptr) continue;  // Dropped since; the writer will notice.
    for (const schema::RollupSpec& rollup : child->spec.rollups) {
      if (child->spec.FieldIndex(rollup.parent) != referrer.field) continue;
      for (const auto& set : rollup.set) {
        const int place = collection.spec.FieldIndex(set.field);
        if (place >= 0) kept.push_back(place);
      }
    }
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

bool IsTextual(schema::FieldType type) {
  switch (type) {
    case schema::FieldType::kString:
    case schema::FieldType::kText:
    case schema::FieldType::kBytes:
    case schema::FieldType::kStrings:
    case schema::FieldType::kRef:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool IsIndexed(const schema::CollectionSpec& spec, int place) {
  const schema::FieldSpec& field = spec.fields[place];
  if (field.indexed || field.unique || field.type == schema::FieldType::kRef) {
    return true;
  }
  for (const std::vector<std::string>& key : spec.unique) {
    if (std::find(key.begin(), key.end(), field.name) != key.end()) return true;
  }
  for (const schema::IndexSpec& index : spec.indexes) {
    for (const schema::IndexSpec::Column& column : index.columns) {
      if (column.field == field.name) return true;
    }
  }
  return spec.edges.has_value() &&
         (spec.edges->source == field.name || spec.edges->target == field.name);
}

absl::Status CheckIndexedValue(const schema::FieldSpec& field,
                               const ColumnValue& value) {
  if (const auto* blob = std::get_if<Blob>(&value)) {
    return blob->bytes.size() <= kMaxIndexedBytes ? absl::OkStatus()
                                                  : TooLong(blob->bytes.size());
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || text->size() <= kMaxIndexedBytes) {
    return absl::OkStatus();
  }
  if (field.type != schema::FieldType::kStrings) return TooLong(text->size());
  const std::vector<absl::string_view> elements = ListElements(*text);
  for (size_t i = 0; i < elements.size(); ++i) {
    // With its quotes, as what it would take to count without them is not
    // worth the two bytes.
    if (elements[i].size() <= kMaxIndexedBytes) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "has an element ", i, " that ", TooLong(elements[i].size()).message()));
  }
  return absl::OkStatus();
}

WritableCollection::WritableCollection(CollectionPtr collection,
                                       const Catalog& catalog)
    : collection_(std::move(collection)),
      kept_(FindKept(*collection_, catalog)) {
  const schema::CollectionSpec& spec = collection_->spec;
  access_.resize(spec.fields.size(), Access::kFree);
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    const schema::FieldSpec& field = spec.fields[place];
    if (!field.generated.empty() || !field.extract.empty()) {
      access_[place] = Access::kComputed;
    } else if (IsTextual(field.type) &&
               IsIndexed(spec, static_cast<int>(place))) {
      access_[place] = Access::kIndexed;
    }
  }
  for (const int place : kept_) access_[place] = Access::kKept;
}

absl::Status WritableCollection::CheckWritable(int place) const {
  switch (access_[place]) {
    case Access::kFree:
    case Access::kIndexed:
      return absl::OkStatus();
    case Access::kKept:
      return absl::InvalidArgumentError("is kept by a roll-up; leave it out");
    case Access::kComputed:
      break;
  }
  if (!field(place).generated.empty()) {
    return absl::InvalidArgumentError(
        "is generated from other fields; leave it out");
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "is extracted from ", field(place).extract, "; leave it out"));
}

absl::Status WritableCollection::CheckValue(int place,
                                            const ColumnValue& value) const {
  RETURN_IF_ERROR(schema::CheckValue(field(place), value));
  if (access_[place] != Access::kIndexed) return absl::OkStatus();
  return CheckIndexedValue(field(place), value);
}

std::string WritableCollection::DescribeUnknown(absl::string_view name) const {
  std::vector<absl::string_view> known;
  for (const schema::FieldSpec& field : spec().fields) {
    known.push_back(field.name);
  }
  const std::string hint =
      name == "id" ? "; the id stands beside the fields, not among them"
                   : schema::DidYouMean(name, known);
  return absl::StrCat("no field \"", CutText(name, kShownNameBytes),
                      "\" in the collection \"", spec().name, "\"", hint);
}

std::string FieldPath(absl::string_view path, absl::string_view field) {
  return absl::StrCat(path, ".", CutText(field, kShownNameBytes));
}

}  // namespace engram::storage
