#include "services/search/text_embedding.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"

namespace engram::search {
namespace {

embedding::v1::EmbedRequest RequestFor(const std::string& model) {
  embedding::v1::EmbedRequest request;
  request.set_model(model);
  request.set_purpose(embedding::v1::PURPOSE_QUERY);
  return request;
}

void Send(SearchBackend& backend, absl::Time deadline,
          embedding::v1::EmbedRequest request, EmbedCallback done) {
  backend.calls.Run<embedding::v1::EmbedResponse>(
      deadline, std::move(request),
      [&backend](auto&&... arguments) {
        backend.embedding->async()->Embed(
            std::forward<decltype(arguments)>(arguments)...);
      },
      std::move(done));
}

// What a call for the `index`th text alone would have been answered.
absl::StatusOr<embedding::v1::EmbedResponse> AnswerOf(
    embedding::v1::EmbedResponse& all, size_t index) {
  embedding::v1::Embedding& embedding =
      *all.mutable_embeddings(static_cast<int>(index));
  if (embedding.has_error()) {
    const std::string path = absl::StrCat("texts[", index, "]");
    return MapFieldPaths(FromRpcStatus(embedding.error()),
                         [&](absl::string_view at) {
                           return std::string(at == path ? "texts[0]" : at);
                         });
  }
  embedding::v1::EmbedResponse answer;
  *answer.mutable_model() = all.model();
  *answer.add_embeddings() = std::move(embedding);
  return answer;
}

}  // namespace

void EmbedText(SearchBackend& backend, QueryText text, EmbedCallback done) {
  embedding::v1::EmbedRequest request = RequestFor(text.model);
  request.add_texts(std::move(text.text));
  Send(backend, text.deadline, std::move(request), std::move(done));
}

void TextGatherer::Embed(QueryText text, EmbedCallback done) {
  {
    absl::MutexLock lock(&mutex_);
    if (!sent_) {
      Texts& texts = gathered_[{std::move(text.model), text.deadline}];
      texts.texts.push_back(std::move(text.text));
      texts.done.push_back(std::move(done));
      return;
    }
  }
  EmbedText(*backend_, std::move(text), std::move(done));
}

void TextGatherer::Send() {
  std::map<Key, Texts> gathered;
  {
    absl::MutexLock lock(&mutex_);
    sent_ = true;
    gathered.swap(gathered_);
  }
  for (auto& [key, texts] : gathered) {
    const auto& [model, deadline] = key;
    embedding::v1::EmbedRequest request = RequestFor(model);
    request.set_partial(true);
    for (std::string& text : texts.texts) request.add_texts(std::move(text));
    search::Send(
        *backend_, deadline, std::move(request),
        [done = std::move(texts.done)](
            absl::StatusOr<embedding::v1::EmbedResponse> answer) mutable {
          if (answer.ok() &&
              answer->embeddings_size() != static_cast<int>(done.size())) {
            answer = absl::InternalError(
                absl::StrCat("embedding ", done.size(), " texts gave ",
                             answer->embeddings_size(), " vectors"));
          }
          for (size_t i = 0; i < done.size(); ++i) {
            done[i](answer.ok() ? AnswerOf(*answer, i) : answer.status());
          }
        });
  }
}

}  // namespace engram::search
