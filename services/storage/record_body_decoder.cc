#include "services/storage/record_body_decoder.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/typed_codec.h"
#include "libs/vector/vector.h"

namespace engram::storage {
namespace {

// As many unknown names as violations may have room for.
constexpr size_t kMaxUnknown = 64;

// Reads one body.
class BodyDecoder {
 public:
  BodyDecoder(const WritableCollection& target, RecordItem& item,
              FieldViolations& violations)
      : target_(target), item_(item), violations_(violations) {}

  void Decode(const google::protobuf::Struct& fields);
  void Decode(const std::string& typed);

 private:
  void Take(int place, absl::StatusOr<ColumnValue> value);
  void Report(absl::string_view name, absl::string_view problem);
  void ReportUnknown(std::vector<absl::string_view> names);
  void Sort();

  const WritableCollection& target_;
  RecordItem& item_;
  FieldViolations& violations_;
};

void BodyDecoder::Decode(const google::protobuf::Struct& fields) {
  const schema::CollectionSpec& spec = target_.spec();
  item_.sent.reserve(
      std::min<size_t>(fields.fields_size(), spec.fields.size()));
  std::vector<absl::string_view> unknown;
  for (const auto& [name, sent] : fields.fields()) {
    const int place = spec.FieldIndex(name);
    if (place < 0) {
      unknown.push_back(name);
    } else {
      Take(place, schema::DecodeValue(spec.fields[place].type, sent));
    }
  }
  if (!unknown.empty()) ReportUnknown(std::move(unknown));
  Sort();
}

void BodyDecoder::Decode(const std::string& typed) {
  item_.sent.reserve(target_.spec().fields.size());
  const absl::Status status =
      schema::DecodeTyped(target_.spec(), target_.collection()->typed, typed,
                          [&](int place, absl::StatusOr<ColumnValue> value) {
                            Take(place, std::move(value));
                          });
  if (!status.ok()) violations_.Add(item_.FieldsPath(), status.message());
  Sort();
}

void BodyDecoder::Take(int place, absl::StatusOr<ColumnValue> value) {
  absl::Status problem = target_.CheckWritable(place);
  if (problem.ok()) problem = value.status();
  if (problem.ok()) problem = target_.CheckValue(place, *value);
  if (!problem.ok()) {
    Report(target_.field(place).name, problem.message());
    // Sent nevertheless, so that a mask does not call it absent.
    value = ColumnValue();
  }
  item_.sent.push_back({place, *std::move(value)});
}

void BodyDecoder::Report(absl::string_view name, absl::string_view problem) {
  // A path costs time that a hostile request could multiply.
  violations_.Add(violations_.full() ? "" : FieldPath(item_.FieldsPath(), name),
                  problem);
}

void BodyDecoder::ReportUnknown(std::vector<absl::string_view> names) {
  // A Struct has no order; an answer should not depend on a hash.
  const size_t shown = std::min(names.size(), kMaxUnknown);
  std::partial_sort(names.begin(), names.begin() + shown, names.end());
  for (const absl::string_view name : names) {
    // Nor should the search for names that are like it be multiplied.
    Report(name, violations_.full() ? "" : target_.DescribeUnknown(name));
  }
}

void BodyDecoder::Sort() {
  std::vector<Assignment>& sent = item_.sent;
  const auto before = [](const Assignment& a, const Assignment& b) {
    return a.field < b.field;
  };
  const auto unordered = std::adjacent_find(
      sent.begin(), sent.end(),
      [&](const Assignment& a, const Assignment& b) { return !before(a, b); });
  if (unordered == sent.end()) return;
  std::stable_sort(sent.begin(), sent.end(), before);
  // Of a typed field that is repeated the last one counts.
  size_t kept = 0;
  for (size_t i = 0; i < sent.size(); ++i) {
    if (i + 1 < sent.size() && sent[i + 1].field == sent[i].field) continue;
    if (kept != i) sent[kept] = std::move(sent[i]);
    ++kept;
  }
  sent.resize(kept);
}

// Why `chunk` is no vector of `field`; empty if it is one. Makes it of unit
// length where the field's metric asks for that.
std::string TakeChunk(const VectorField& field, std::string& chunk) {
  const auto dimensions = static_cast<size_t>(field.serving().dimensions);
  if (chunk.size() != dimensions * sizeof(float)) {
    return absl::StrCat("has ", chunk.size(), " bytes; ", dimensions,
                        " float32 values are ", dimensions * sizeof(float));
  }
  std::vector<float> values = vector::Unpack(chunk);
  if (!vector::IsFinite(values)) return "has a value that is not finite";
  if (field.serving().spec.metric != schema::Metric::kCosine) return "";
  if (!vector::Normalize(absl::MakeSpan(values))) {
    return "is all zeros, which has no direction to compare by";
  }
  const absl::string_view packed = vector::Pack(values);
  chunk.assign(packed.data(), packed.size());
  return "";
}

// The vector field's place in Collection::vectors; -1 after a violation.
int FindVectorField(const WritableCollection& target,
                    const v1::SuppliedVectors& sent, absl::string_view path,
                    FieldViolations& violations) {
  const std::vector<VectorField>& fields = target.collection()->vectors;
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const VectorField& field) {
        return field.name == sent.vector_field();
      });
  if (found != fields.end() && found->supplied()) {
    return static_cast<int>(found - fields.begin());
  }
  violations.Add(
      absl::StrCat(path, ".vector_field"),
      found == fields.end()
          ? absl::StrCat("no vector field \"", CutText(sent.vector_field(), 64),
                         "\" in the collection \"", target.spec().name, "\"")
          : absl::StrCat("is \"", found->name,
                         "\", whose vectors Engram makes; clients bring those "
                         "of fields declared `supplied`"));
  return -1;
}

void DecodeVectorsOf(const WritableCollection& target,
                     const v1::SuppliedVectors& sent, absl::string_view path,
                     RecordItem& item, FieldViolations& violations) {
  const int place = FindVectorField(target, sent, path, violations);
  if (place < 0) return;
  for (const SuppliedVectors& other : item.vectors) {
    if (other.field != place) continue;
    violations.Add(absl::StrCat(path, ".vector_field"),
                   "is named twice; give all chunks at once");
    return;
  }
  if (sent.chunks_size() > kMaxChunks) {
    violations.Add(
        absl::StrCat(path, ".chunks"),
        absl::StrCat("has ", sent.chunks_size(), " vectors; at most ",
                     kMaxChunks, " are allowed"));
    return;
  }
  SuppliedVectors& vectors = item.vectors.emplace_back();
  vectors.field = place;
  vectors.chunks.reserve(sent.chunks_size());
  for (int i = 0; i < sent.chunks_size(); ++i) {
    std::string& chunk = vectors.chunks.emplace_back(sent.chunks(i).values());
    const std::string problem =
        TakeChunk(target.collection()->vectors[place], chunk);
    if (problem.empty()) continue;
    violations.Add(absl::StrCat(path, ".chunks[", i, "]"), problem);
  }
}

}  // namespace

void DecodeFields(const WritableCollection& target,
                  const google::protobuf::Struct& fields, RecordItem& item,
                  FieldViolations& violations) {
  BodyDecoder(target, item, violations).Decode(fields);
}

void DecodeBody(const WritableCollection& target, const v1::Record& record,
                RecordItem& item, FieldViolations& violations) {
  BodyDecoder decoder(target, item, violations);
  switch (record.body_case()) {
    case v1::Record::kFields:
      return decoder.Decode(record.fields());
    case v1::Record::kTyped:
      item.typed = true;
      return decoder.Decode(record.typed());
    case v1::Record::BODY_NOT_SET:
      break;
  }
}

void ApplyMask(const WritableCollection& target,
               const google::protobuf::FieldMask& mask, RecordItem& item,
               FieldViolations& violations) {
  std::vector<bool> named(target.spec().fields.size());
  for (int i = 0; i < mask.paths_size(); ++i) {
    const int place = target.spec().FieldIndex(mask.paths(i));
    const auto report = [&](absl::string_view problem) {
      violations.Add(item.PathOf(absl::StrCat("update_mask.paths[", i, "]")),
                     problem);
    };
    if (place < 0) {
      report(violations.full() ? "" : target.DescribeUnknown(mask.paths(i)));
      continue;
    }
    const absl::Status writable = target.CheckWritable(place);
    if (!writable.ok()) {
      report(absl::StrCat("\"", mask.paths(i), "\" ", writable.message()));
    }
    named[place] = true;
  }
  for (const Assignment& sent : item.sent) {
    if (!named[sent.field]) {
      violations.Add(
          FieldPath(item.FieldsPath(), target.field(sent.field).name),
          "is not in update_mask; name it there or leave it out");
    }
    named[sent.field] = false;
  }
  // What is still named was not sent.
  for (size_t place = 0; place < named.size(); ++place) {
    if (!named[place]) continue;
    const absl::Status problem =
        target.CheckValue(static_cast<int>(place), ColumnValue());
    if (!problem.ok()) {
      violations.Add(FieldPath(item.FieldsPath(),
                               target.field(static_cast<int>(place)).name),
                     problem.message());
    }
    item.sent.push_back({static_cast<int>(place), ColumnValue()});
  }
  std::sort(item.sent.begin(), item.sent.end(),
            [](const auto& a, const auto& b) { return a.field < b.field; });
}

void DecodeVectors(const WritableCollection& target, const v1::Record& record,
                   RecordItem& item, FieldViolations& violations) {
  for (int i = 0; i < record.vectors_size(); ++i) {
    const std::string path =
        item.PathOf(absl::StrCat(ActionName(item.action), ".vectors[", i, "]"));
    DecodeVectorsOf(target, record.vectors(i), path, item, violations);
  }
}

}  // namespace engram::storage
