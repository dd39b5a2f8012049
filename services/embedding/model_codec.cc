#include "services/embedding/model_codec.h"

#include <bit>

namespace engram::embedding {

void EncodeModel(const ModelCatalog& catalog, const Model& model,
                 common::v1::Model& encoded) {
  encoded.set_name(model.name);
  encoded.set_fingerprint(model.fingerprint);
  encoded.set_dimensions(model.dimensions);
  encoded.set_normalized(model.normalized);
  encoded.set_max_tokens(model.max_tokens);
  encoded.set_is_default(model.name == catalog.default_model().name);
}

void EncodeVector(absl::Span<const float> vector, common::v1::Vector& encoded) {
  static_assert(std::endian::native == std::endian::little,
                "vectors travel little-endian");
  encoded.set_values(reinterpret_cast<const char*>(vector.data()),
                     vector.size() * sizeof(float));
}

}  // namespace engram::embedding
