#include "services/embedding/providers/http_provider.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/embedding/providers/provider_error.h"

namespace engram::embedding {
namespace {

constexpr size_t kBytesPerToken = 4;
// A number in JSON, with its comma; none needs more for a float.
constexpr size_t kMaxNumberBytes = 32;
constexpr size_t kMaxOtherBytes = 1 << 20;
// Some providers send the texts back, each character escaped at worst.
constexpr size_t kMaxEcho = 6;

// Shares `total` tokens between texts by their lengths.
void ShareTokens(int64_t total, absl::Span<const absl::string_view> texts,
                 std::vector<EmbeddedText>& embedded) {
  size_t bytes = 0;
  for (const absl::string_view text : texts) bytes += text.size();
  if (total <= 0) total = static_cast<int64_t>(bytes / kBytesPerToken);
  // What is left after one for each.
  const auto rest = static_cast<double>(
      std::max<int64_t>(0, total - static_cast<int64_t>(texts.size())));
  size_t read = 0;
  int64_t shared = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    read += texts[i].size();
    // Up to here, so that the shares add up to the total.
    const auto until =
        static_cast<int64_t>(rest * static_cast<double>(read) /
                             static_cast<double>(std::max<size_t>(bytes, 1)));
    embedded[i].tokens = static_cast<int>(1 + until - shared);
    shared = until;
  }
}

// Adds what every failure of a provider carries.
absl::Status Explain(const absl::Status& status, const Model& model) {
  absl::Status result =
      MakeError(status.code(), common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE,
                absl::StrCat("model ", model.name, ": ", status.message()),
                {{"model", model.name}});
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    result.SetPayload(type, payload);
  });
  return result;
}

}  // namespace

HttpProvider::HttpProvider(RemoteModel model,
                           std::shared_ptr<HttpChannel> channel)
    : HttpProvider(model, model.provider.endpoint, std::move(channel)) {}

HttpProvider::HttpProvider(RemoteModel model, EndpointSpec endpoint,
                           std::shared_ptr<HttpChannel> channel)
    : remote_(std::move(model)),
      endpoint_(std::move(endpoint)),
      channel_(std::move(channel)),
      format_(MakeProviderFormat(remote_)),
      key_(endpoint_.key_env, endpoint_.key_file) {}

absl::Status HttpProvider::health() const {
  const absl::Status key = key_.Read().status();
  return key.ok() ? key : Explain(key, remote_.model);
}

void HttpProvider::Start(const EmbedCall& call, EmbedDone done) {
  if (call.texts.empty()) return done({});
  // Shared with the task, which is destroyed if there is no room for it.
  const auto held = std::make_shared<EmbedDone>(std::move(done));
  const absl::Status queued =
      channel_->pool.Submit([this, call, held] { (*held)(Call(call)); });
  if (!queued.ok()) (*held)(FailAll(call.texts.size(), queued));
}

std::vector<EmbedResult> HttpProvider::Call(const EmbedCall& call) const {
  const auto key = key_.Read();
  if (!key.ok()) return Refuse(call, key.status());
  auto embedded = Send(call, *key);
  if (!embedded.ok()) return Refuse(call, embedded.status());
  return {std::make_move_iterator(embedded->begin()),
          std::make_move_iterator(embedded->end())};
}

absl::StatusOr<std::vector<EmbeddedText>> HttpProvider::Send(
    const EmbedCall& call, const std::string& key) const {
  ASSIGN_OR_RETURN(http::HttpResponse response,
                   channel_->client.Post(MakeRequest(call, key)));
  const auto refuse = [&](Refusal refusal) {
    // Some say which key they refuse, and a proxy may repeat what it was sent.
    if (!key.empty()) {
      refusal.words = absl::StrReplaceAll(refusal.words, {{key, "[key]"}});
    }
    return ToStatus(refusal);
  };
  if (response.status != 200) {
    return refuse(ReadRefusal(response, absl::Now()));
  }
  auto embedded = Read(call, response);
  if (!embedded.ok()) {
    const auto refusal = FindRefusalInside(response, absl::Now());
    if (refusal.has_value()) return refuse(*refusal);
  }
  return embedded;
}

absl::StatusOr<std::vector<EmbeddedText>> HttpProvider::Read(
    const EmbedCall& call, http::HttpResponse& response) const {
  ASSIGN_OR_RETURN(Answer answer, format_->Decode(response, call.texts.size()));
  std::vector<EmbeddedText> embedded(call.texts.size());
  for (size_t i = 0; i < embedded.size(); ++i) {
    embedded[i].vector = std::move(answer.vectors[i]);
    if (remote_.spec.normalize &&
        !vector::Normalize(absl::MakeSpan(embedded[i].vector))) {
      return absl::InternalError(
          "a vector has no direction: it is zero, or holds a value that is "
          "not finite");
    }
  }
  ShareTokens(answer.tokens, call.texts, embedded);
  const double searches = remote_.spec.usd_per_thousand_searches / 1e3 *
                          static_cast<double>(answer.searches) /
                          static_cast<double>(embedded.size());
  for (EmbeddedText& text : embedded) {
    text.spent.tokens = text.tokens;
    text.spent.cost_usd =
        text.tokens * remote_.spec.usd_per_million_tokens / 1e6 + searches;
  }
  embedded.front().spent.requests = 1;
  return embedded;
}

std::vector<EmbedResult> HttpProvider::Refuse(const EmbedCall& call,
                                              const absl::Status& error) const {
  const size_t texts = call.texts.size();
  if (!absl::IsInvalidArgument(error)) {
    return FailAll(texts, Explain(error, remote_.model));
  }
  const auto named = FindNamedText(error.message(), texts);
  if (texts == 1) return FailAll(1, error);
  std::vector<EmbedResult> results =
      FailAll(texts, absl::AbortedError(error.message()));
  if (named.has_value()) results[*named] = error;
  return results;
}

http::HttpRequest HttpProvider::MakeRequest(const EmbedCall& call,
                                            const std::string& key) const {
  const ProviderSpec& provider = remote_.provider;
  http::HttpRequest request{
      .url = absl::StrCat(endpoint_.base_url, format_->Path()),
      .headers = provider.headers,
      .body = format_->Encode(call)};
  request.headers.push_back({"Content-Type", "application/json"});
  if (!key.empty()) {
    const std::string header = provider.key_header.empty()
                                   ? format_->KeyHeader()
                                   : provider.key_header;
    request.headers.push_back(
        header.empty()
            ? http::Header{"Authorization", absl::StrCat("Bearer ", key)}
            : http::Header{header, key});
  }
  request.max_answer_bytes =
      kMaxOtherBytes + kMaxEcho * request.body.size() +
      call.texts.size() * remote_.model.dimensions * kMaxNumberBytes;
  request.may_send = [&caller = *call.caller] {
    return caller.StillWaits(absl::Now());
  };
  return request;
}

}  // namespace engram::embedding
