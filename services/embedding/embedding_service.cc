#include "services/embedding/embedding_service.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"
#include "services/embedding/embed_stream.h"
#include "services/embedding/embedding_codec.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

// A call of one answer: waits for a model without a thread, and gives up when
// its client does. Owns itself.
class ModelCall : public grpc::ServerUnaryReactor {
 public:
  // What to do with the results; returns how the call ends.
  using Encode =
      absl::AnyInvocable<absl::Status(std::vector<EmbedResult> results)>;

  ModelCall(const grpc::CallbackServerContext& context,
            const google::protobuf::RepeatedPtrField<std::string>& texts,
            Encode encode)
      : caller_(std::make_shared<Caller>(rpc::DeadlineOf(context))),
        texts_(texts.begin(), texts.end()),
        encode_(std::move(encode)) {}

  // Runs `call`, whose texts and caller are this call's. Call it once.
  void Run(ModelRunner& runner, Provider& provider, EmbedCall call) {
    call.texts = texts_;
    call.caller = caller_;
    runner.Run(provider, call, [this](std::vector<EmbedResult> results) {
      Finish(ToGrpcStatus(encode_(std::move(results))));
    });
  }

 private:
  void OnCancel() override { caller_->Leave(); }
  void OnDone() override { delete this; }

  const std::shared_ptr<Caller> caller_;
  const std::vector<absl::string_view> texts_;
  Encode encode_;
};

grpc::ServerUnaryReactor* FinishAtOnce(grpc::CallbackServerContext* context,
                                       const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  rpc::Finish(reactor, status);
  return reactor;
}

absl::Status CheckEmbed(const v1::EmbedRequest& request) {
  FieldViolations violations;
  if (request.partial()) {
    CheckTextCount(request.texts(), "texts", violations);
  } else {
    CheckTexts(request.texts(), "texts", violations);
  }
  CheckPurpose(request.purpose(), violations);
  return violations.ToStatus();
}

absl::Status CheckRerank(const v1::RerankRequest& request) {
  FieldViolations violations;
  CheckTexts(request.documents(), "documents", violations);
  if (request.query().empty()) {
    violations.Add("query", "is empty; give the question to score by");
  }
  if (request.limit() < 0) {
    violations.Add("limit",
                   absl::StrCat("is ", request.limit(),
                                "; give how many of the best, or 0 for all"));
  }
  return violations.ToStatus();
}

// Sets `response` to the best of `results`, in the order of their scores.
absl::Status EncodeRanking(std::vector<EmbedResult> results, int limit,
                           v1::RerankResponse& response) {
  auto scored = AllOrNothing(std::move(results), "documents");
  if (!scored.ok()) return scored.status();
  std::vector<int> order(scored->size());
  for (int i = 0; i < static_cast<int>(order.size()); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return (*scored)[a].vector[0] > (*scored)[b].vector[0];
  });
  for (const EmbeddedText& text : *scored) {
    AddUsage(text, *response.mutable_usage());
  }
  if (limit > 0 && static_cast<size_t>(limit) < order.size()) {
    order.resize(limit);
  }
  for (const int place : order) {
    const EmbeddedText& text = (*scored)[place];
    v1::RankedDocument& document = *response.add_documents();
    document.set_index(place);
    document.set_score(text.vector[0]);
    document.set_truncated_bytes(static_cast<int64_t>(text.truncated_bytes));
  }
  return absl::OkStatus();
}

void AddFault(const Provider& provider, v1::ListModelsResponse& response) {
  const absl::Status health = provider.health();
  if (health.ok()) return;
  v1::ModelFault& fault = *response.add_faults();
  fault.set_model(provider.model().name);
  *fault.mutable_error() = ToRpcStatus(health);
}

}  // namespace

grpc::ServerUnaryReactor* EmbeddingService::Embed(
    grpc::CallbackServerContext* context, const v1::EmbedRequest* request,
    v1::EmbedResponse* response) {
  const absl::Status valid = CheckEmbed(*request);
  if (!valid.ok()) return FinishAtOnce(context, valid);
  const auto provider = catalog_.Find(request->model());
  if (!provider.ok()) return FinishAtOnce(context, provider.status());
  auto encode = [this, request, response, &model = (*provider)->model()](
                    std::vector<EmbedResult> results) -> absl::Status {
    if (!request->partial()) {
      const absl::Status failure = FirstFailure(results, "texts");
      if (!failure.ok()) return failure;
    }
    EncodeModel(catalog_, model, *response->mutable_model());
    for (size_t i = 0; i < results.size(); ++i) {
      EncodeResult(results[i], static_cast<int64_t>(i),
                   *response->add_embeddings(), *response->mutable_usage());
    }
    return absl::OkStatus();
  };
  auto* const call = new ModelCall(*context, request->texts(), encode);
  call->Run(runner_, **provider,
            {.purpose = DecodePurpose(request->purpose()),
             .truncate = request->truncate()});
  return call;
}

grpc::ServerBidiReactor<v1::EmbedStreamRequest, v1::EmbedStreamResponse>*
EmbeddingService::EmbedStream(grpc::CallbackServerContext* context) {
  return BeginEmbedStream(*context, catalog_, runner_);
}

grpc::ServerUnaryReactor* EmbeddingService::Rerank(
    grpc::CallbackServerContext* context, const v1::RerankRequest* request,
    v1::RerankResponse* response) {
  const absl::Status valid = CheckRerank(*request);
  if (!valid.ok()) return FinishAtOnce(context, valid);
  const auto provider = catalog_.FindReranker(request->model());
  if (!provider.ok()) return FinishAtOnce(context, provider.status());
  response->set_model((*provider)->model().name);
  auto* const call = new ModelCall(
      *context, request->documents(),
      [request, response](std::vector<EmbedResult> results) {
        return EncodeRanking(std::move(results), request->limit(), *response);
      });
  call->Run(runner_, **provider,
            {.purpose = Purpose::kQuery,
             .query = request->query(),
             .truncate = request->truncate()});
  return call;
}

grpc::ServerUnaryReactor* EmbeddingService::CountTokens(
    grpc::CallbackServerContext* context, const v1::CountTokensRequest* request,
    v1::CountTokensResponse* response) {
  FieldViolations violations;
  CheckTexts(request->texts(), "texts", violations);
  if (!violations.empty()) return FinishAtOnce(context, violations.ToStatus());
  const auto provider = catalog_.Find(request->model());
  if (!provider.ok()) return FinishAtOnce(context, provider.status());
  const auto count = [request, response, provider = *provider] {
    response->set_exact(provider->counts_exactly());
    double total = 0;
    for (const std::string& text : request->texts()) {
      response->add_tokens(provider->CountTokens(text));
      total += response->tokens(response->tokens_size() - 1);
    }
    response->set_cost_usd(total * provider->model().usd_per_million_tokens /
                           1e6);
    return absl::OkStatus();
  };
  return rpc::RunUnary(runner_.local_pool(), context, count);
}

grpc::ServerUnaryReactor* EmbeddingService::ListModels(
    grpc::CallbackServerContext* context, const v1::ListModelsRequest*,
    v1::ListModelsResponse* response) {
  for (const auto& provider : catalog_.providers()) {
    EncodeModel(catalog_, provider->model(), *response->add_models());
    AddFault(*provider, *response);
  }
  for (const auto& provider : catalog_.rerankers()) {
    EncodeModel(catalog_, provider->model(), *response->add_rerank_models());
    AddFault(*provider, *response);
  }
  return FinishAtOnce(context, absl::OkStatus());
}

}  // namespace engram::embedding
