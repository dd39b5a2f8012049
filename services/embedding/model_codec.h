// Between this service's own types and those of the wire.

#ifndef ENGRAM_SERVICES_EMBEDDING_MODEL_CODEC_H_
#define ENGRAM_SERVICES_EMBEDDING_MODEL_CODEC_H_

#include "absl/types/span.h"
#include "engram/common/v1/model.pb.h"
#include "engram/common/v1/vector.pb.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Sets `encoded` to `model`, which is one of `catalog`.
void EncodeModel(const ModelCatalog& catalog, const Model& model,
                 common::v1::Model& encoded);

// Sets `encoded` to `vector`, packed.
void EncodeVector(absl::Span<const float> vector, common::v1::Vector& encoded);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MODEL_CODEC_H_
