#include "services/embedding/embedding_service.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

constexpr int kMaxTexts = 2048;
// A local model embeds this much in some tens of microseconds: less than it
// costs to hand it to another thread and to wake that.
constexpr size_t kMaxInlineBytes = 4096;

absl::Status CheckRequest(const v1::EmbedRequest& request) {
  FieldViolations violations;
  if (request.texts().empty() || request.texts_size() > kMaxTexts) {
    violations.Add("texts", absl::StrCat("has ", request.texts_size(),
                                         " texts; give 1 to ", kMaxTexts));
  }
  for (int i = 0; i < request.texts_size(); ++i) {
    if (request.texts(i).empty()) {
      violations.Add(absl::StrCat("texts[", i, "]"),
                     "is empty; give a text with at least one word");
    }
  }
  // A client newer than this server may send a purpose it does not know.
  if (!v1::Purpose_IsValid(request.purpose())) {
    violations.Add("purpose", absl::StrCat("is ", request.purpose(),
                                           "; give one of Purpose's values"));
  }
  return violations.ToStatus();
}

bool RunsInline(const Provider& provider, const v1::EmbedRequest& request) {
  if (!provider.is_local()) return false;
  size_t bytes = 0;
  for (const auto& text : request.texts()) bytes += text.size();
  return bytes <= kMaxInlineBytes;
}

absl::Status EmbedTexts(const ModelCatalog& catalog, Provider& provider,
                        const v1::EmbedRequest& request,
                        v1::EmbedResponse& response) {
  const std::vector<absl::string_view> texts(request.texts().begin(),
                                             request.texts().end());
  ASSIGN_OR_RETURN(const auto embedded,
                   provider.Embed(texts, request.purpose() == v1::PURPOSE_QUERY
                                             ? Purpose::kQuery
                                             : Purpose::kDocument));
  EncodeModel(catalog, provider.model(), *response.mutable_model());
  for (const EmbeddedText& text : embedded) {
    auto* embedding = response.add_embeddings();
    EncodeVector(text.vector, *embedding->mutable_vector());
    embedding->set_tokens(text.tokens);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* FinishAtOnce(grpc::CallbackServerContext* context,
                                       const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  rpc::Finish(reactor, status);
  return reactor;
}

}  // namespace

EmbeddingService::EmbeddingService(const ModelCatalog& catalog,
                                   rpc::ThreadPool& local_pool,
                                   rpc::ThreadPool& remote_pool)
    : catalog_(catalog), local_pool_(local_pool), remote_pool_(remote_pool) {}

grpc::ServerUnaryReactor* EmbeddingService::Embed(
    grpc::CallbackServerContext* context, const v1::EmbedRequest* request,
    v1::EmbedResponse* response) {
  const absl::Status valid = CheckRequest(*request);
  if (!valid.ok()) return FinishAtOnce(context, valid);
  const auto provider = catalog_.Find(request->model());
  if (!provider.ok()) return FinishAtOnce(context, provider.status());
  auto embed = [this, request, response, provider = *provider] {
    return EmbedTexts(catalog_, *provider, *request, *response);
  };
  if (RunsInline(**provider, *request)) return FinishAtOnce(context, embed());
  return rpc::RunUnary((*provider)->is_local() ? local_pool_ : remote_pool_,
                       context, std::move(embed));
}

grpc::ServerUnaryReactor* EmbeddingService::ListModels(
    grpc::CallbackServerContext* context, const v1::ListModelsRequest*,
    v1::ListModelsResponse* response) {
  for (const auto& provider : catalog_.providers()) {
    EncodeModel(catalog_, provider->model(), *response->add_models());
  }
  return FinishAtOnce(context, absl::OkStatus());
}

}  // namespace engram::embedding
