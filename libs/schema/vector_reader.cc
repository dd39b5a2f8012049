#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/attribute_readers.h"
#include "libs/schema/chunking_reader.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/field_reader.h"
#include "libs/schema/vector_text.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kVectorAttributes[] = {
    "chunking", "cutover",   "dimensions", "index",    "metric",
    "model",    "precision", "source",     "supplied", "template"};
// In the order of Metric.
constexpr absl::string_view kMetrics[] = {"cosine", "dot", "l2"};
// In the order of IndexKind.
constexpr absl::string_view kIndexKinds[] = {"auto", "flat", "hnsw"};
// In the order of Precision.
constexpr absl::string_view kPrecisions[] = {"auto", "float32", "int8", "int4"};
// In the order of Cutover.
constexpr absl::string_view kCutovers[] = {"auto", "manual"};
constexpr size_t kMaxModelLength = 256;

// Reads one vector field.
class VectorReader {
 public:
  VectorReader(const YamlNode& node, std::string path, VectorFieldSpec& vector,
               DocumentReader& document)
      : node_(node),
        path_(std::move(path)),
        vector_(vector),
        document_(document) {}

  void Read() {
    vector_.supplied =
        document_.ReadBool(node_.Find("supplied"), PathOf("supplied"));
    if (vector_.supplied) {
      vector_.model.clear();
      RefuseWhatEmbeddingNeeds();
    } else {
      ReadSource();
      ReadTemplate();
      ReadModel();
      if (const YamlNode* chunking = node_.Find("chunking")) {
        vector_.chunking =
            ReadChunking(*chunking, PathOf("chunking"), document_);
      }
    }
    ReadDimensions();
    if (const YamlNode* metric = node_.Find("metric")) {
      const auto word = document_.ReadWord(*metric, PathOf("metric"), kMetrics);
      if (word.has_value()) vector_.metric = static_cast<Metric>(*word);
    }
    if (const YamlNode* index = node_.Find("index")) {
      const auto word =
          document_.ReadWord(*index, PathOf("index"), kIndexKinds);
      if (word.has_value()) vector_.index_kind = static_cast<IndexKind>(*word);
    }
    ReadPrecision();
    if (const YamlNode* cutover = node_.Find("cutover")) {
      const auto word =
          document_.ReadWord(*cutover, PathOf("cutover"), kCutovers);
      if (word.has_value()) vector_.cutover = static_cast<Cutover>(*word);
    }
  }

 private:
  std::string PathOf(absl::string_view name) const {
    return JoinPath(path_, name);
  }

  void RefuseWhatEmbeddingNeeds() {
    for (const absl::string_view name :
         {"source", "template", "model", "chunking"}) {
      if (const YamlNode* given = node_.Find(name)) {
        document_.Report(*given, PathOf(name),
                         "does not go with supplied: true, as nothing is "
                         "embedded; remove one");
      }
    }
  }

  void ReadDimensions() {
    const YamlNode* dimensions = node_.Find("dimensions");
    if (dimensions != nullptr) {
      vector_.dimensions = static_cast<int>(
          document_
              .ReadInt(*dimensions, PathOf("dimensions"), 1, kMaxDimensions)
              .value_or(0));
    } else if (vector_.supplied) {
      document_.Report(node_, PathOf("dimensions"),
                       "is missing; say how many components the supplied "
                       "vectors have");
    }
  }

  void ReadPrecision() {
    const YamlNode* precision = node_.Find("precision");
    if (precision == nullptr) return;
    const std::string path = PathOf("precision");
    const auto word = document_.ReadWord(*precision, path, kPrecisions);
    if (!word.has_value()) return;
    vector_.precision = static_cast<Precision>(*word);
    const bool is_of_codes = vector_.precision == Precision::kInt8 ||
                             vector_.precision == Precision::kInt4;
    if (is_of_codes && vector_.index_kind == IndexKind::kFlat) {
      document_.Report(*precision, path,
                       absl::StrCat(kPrecisions[*word],
                                    " does not go with index: flat, which "
                                    "compares the vectors themselves; remove "
                                    "it, or choose index: hnsw"));
    }
  }

  void ReadSource() {
    const YamlNode* source = node_.Find("source");
    const std::string path = PathOf("source");
    if (source == nullptr) {
      document_.Report(node_, path,
                       "is missing; list the fields whose text is embedded, or "
                       "say supplied: true");
      return;
    }
    vector_.source = document_.ReadFieldNames(*source, path, "[title, body]");
    for (const std::string& name : vector_.source) {
      const FieldSpec* field = document_.spec.FindField(name);
      if (field == nullptr) continue;
      if (!IsTextType(field->type) && field->type != FieldType::kStrings) {
        document_.Report(
            *source, path,
            absl::StrCat("the field \"", name, "\" is of type ",
                         FieldTypeName(field->type),
                         "; only string, text and strings are embedded"));
      } else if (!field->generated.empty()) {
        document_.Report(*source, path,
                         absl::StrCat("the field \"", name,
                                      "\" is generated; embed the fields that "
                                      "it uses, joined by template"));
      }
    }
  }

  void ReadTemplate() {
    const YamlNode* node = node_.Find("template");
    if (node == nullptr) return;
    const std::string path = PathOf("template");
    const auto text = document_.ReadText(
        *node, path, "a text with the sources such as '{title}: {body}'");
    if (!text.has_value()) return;
    vector_.text_template = *text;
    // A source that is wrong would be reported once more.
    const YamlNode* source = node_.Find("source");
    if (source == nullptr || source->children.size() != vector_.source.size()) {
      return;
    }
    const auto parts = ParseTextTemplate(*text, vector_.source);
    if (!parts.ok()) {
      document_.Report(*node, path, parts.status().message());
    }
  }

  void ReadModel() {
    const YamlNode* model = node_.Find("model");
    if (model == nullptr) return;
    if (model->kind != Kind::kScalar || model->text.empty() ||
        model->text.size() > kMaxModelLength) {
      document_.Report(
          *model, PathOf("model"),
          "wants default or a model's name such as builtin/static-minilm-256");
    } else {
      vector_.model = model->text;
    }
  }

  const YamlNode& node_;
  const std::string path_;
  VectorFieldSpec& vector_;
  DocumentReader& document_;
};

}  // namespace

void ReadVectors(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("vectors");
  if (node == nullptr) return;
  if (!document.CheckNames(*node, "vectors", "{body: {source: [title, body]}}"))
    return;
  if (node->keys.size() > kMaxVectorFields) {
    document.Report(
        *node, "vectors",
        absl::StrCat("declares ", node->keys.size(), " vector fields; at most ",
                     kMaxVectorFields, " are allowed"));
    return;
  }
  std::vector<VectorFieldSpec>& vectors = document.spec.vectors;
  for (size_t i = 0; i < node->keys.size(); ++i) {
    const std::string path = JoinPath("vectors", node->keys[i].text);
    if (!document.CheckAttributes(node->children[i], path, kVectorAttributes)) {
      continue;
    }
    VectorFieldSpec vector;
    vector.name = node->keys[i].text;
    VectorReader(node->children[i], path, vector, document).Read();
    vectors.push_back(std::move(vector));
  }
  std::sort(vectors.begin(), vectors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

}  // namespace engram::schema
