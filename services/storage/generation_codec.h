// How a generation's vectors are made, as the API and the file describe it.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_CODEC_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_CODEC_H_

#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/schema/collection_spec.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The generation as the API describes it.
v1::Generation ToProto(const Generation& generation);

// What `spec` says of how vectors are made: sources, template, metric and
// chunking; and the reverse, which leaves the rest of `spec` as it is.
v1::Generation EncodeDeclaration(const schema::VectorFieldSpec& spec);
void DecodeDeclaration(const v1::Generation& declaration,
                       schema::VectorFieldSpec& spec);

common::v1::Precision EncodePrecision(schema::Precision precision);
common::v1::IndexKind EncodeIndexKind(schema::IndexKind kind);

v1::Chunking EncodeChunking(const chunk::Options& options);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_CODEC_H_
