#include "services/storage/generation_codec.h"

#include <utility>

namespace engram::storage {
namespace {

constexpr std::pair<schema::Metric, common::v1::Metric> kMetrics[] = {
    {schema::Metric::kCosine, common::v1::METRIC_COSINE},
    {schema::Metric::kDot, common::v1::METRIC_DOT},
    {schema::Metric::kL2, common::v1::METRIC_L2},
};

constexpr std::pair<schema::Precision, common::v1::Precision> kPrecisions[] = {
    {schema::Precision::kAuto, common::v1::PRECISION_AUTO},
    {schema::Precision::kFloat32, common::v1::PRECISION_FLOAT32},
    {schema::Precision::kInt8, common::v1::PRECISION_INT8},
    {schema::Precision::kInt4, common::v1::PRECISION_INT4},
};

constexpr std::pair<schema::IndexKind, common::v1::IndexKind> kIndexKinds[] = {
    {schema::IndexKind::kAuto, common::v1::INDEX_KIND_AUTO},
    {schema::IndexKind::kFlat, common::v1::INDEX_KIND_FLAT},
    {schema::IndexKind::kHnsw, common::v1::INDEX_KIND_HNSW},
};

constexpr std::pair<chunk::Method, v1::Chunking::Method> kMethods[] = {
    {chunk::Method::kNone, v1::Chunking::METHOD_UNSPECIFIED},
    {chunk::Method::kTokens, v1::Chunking::METHOD_TOKENS},
    {chunk::Method::kParagraphs, v1::Chunking::METHOD_PARAGRAPHS},
    {chunk::Method::kMarkdown, v1::Chunking::METHOD_MARKDOWN},
    {chunk::Method::kCode, v1::Chunking::METHOD_CODE},
};

}  // namespace

v1::Generation ToProto(const Generation& generation) {
  v1::Generation proto = EncodeDeclaration(generation.spec);
  proto.set_id(generation.id);
  proto.set_model(generation.model);
  proto.set_fingerprint(generation.fingerprint);
  proto.set_dimensions(generation.dimensions);
  return proto;
}

v1::Generation EncodeDeclaration(const schema::VectorFieldSpec& spec) {
  v1::Generation proto;
  for (const std::string& source : spec.source) proto.add_source(source);
  proto.set_template_(spec.text_template);
  for (const auto& [metric, encoded] : kMetrics) {
    if (metric == spec.metric) proto.set_metric(encoded);
  }
  if (spec.chunking.method != chunk::Method::kNone) {
    *proto.mutable_chunking() = EncodeChunking(spec.chunking);
  }
  return proto;
}

void DecodeDeclaration(const v1::Generation& declaration,
                       schema::VectorFieldSpec& spec) {
  spec.source.assign(declaration.source().begin(), declaration.source().end());
  spec.text_template = declaration.template_();
  for (const auto& [metric, encoded] : kMetrics) {
    if (encoded == declaration.metric()) spec.metric = metric;
  }
  const v1::Chunking& chunking = declaration.chunking();
  spec.chunking = {};
  if (!declaration.has_chunking()) return;
  for (const auto& [method, encoded] : kMethods) {
    if (encoded == chunking.method()) spec.chunking.method = method;
  }
  spec.chunking.size = chunking.size();
  spec.chunking.overlap = chunking.overlap();
  spec.chunking.headings = chunking.headings();
}

common::v1::Precision EncodePrecision(schema::Precision precision) {
  for (const auto& [each, encoded] : kPrecisions) {
    if (each == precision) return encoded;
  }
  return common::v1::PRECISION_UNSPECIFIED;
}

common::v1::IndexKind EncodeIndexKind(schema::IndexKind kind) {
  for (const auto& [each, encoded] : kIndexKinds) {
    if (each == kind) return encoded;
  }
  return common::v1::INDEX_KIND_UNSPECIFIED;
}

v1::Chunking EncodeChunking(const chunk::Options& options) {
  v1::Chunking proto;
  for (const auto& [method, encoded] : kMethods) {
    if (method == options.method) proto.set_method(encoded);
  }
  proto.set_size(options.size);
  proto.set_overlap(options.overlap);
  proto.set_headings(options.headings);
  return proto;
}

}  // namespace engram::storage
