#ifndef ENGRAM_SERVICES_EMBEDDING_EMBED_STREAM_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBED_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "engram/embedding/v1/embedding.pb.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/model_runner.h"

namespace engram::embedding {

// Serves a call of EmbedStream; returns its reactor, for gRPC. The arguments
// must outlive the call.
//
// A few messages are embedded at once and answered in their order; a client
// that does not read is not read from, so a stream holds no more than these.
grpc::ServerBidiReactor<v1::EmbedStreamRequest, v1::EmbedStreamResponse>*
BeginEmbedStream(const grpc::CallbackServerContext& context,
                 const ModelCatalog& catalog, ModelRunner& runner);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBED_STREAM_H_
