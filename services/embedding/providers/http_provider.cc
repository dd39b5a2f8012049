#include "services/embedding/providers/http_provider.h"

#include <algorithm>
#include <cstdint>
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

// Adds what every failure of a provider carries. A text that cannot be embedded
// carries its violation already.
absl::Status Finish(const absl::Status& status, const Model& model) {
  if (absl::IsInvalidArgument(status)) return status;
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
                           std::shared_ptr<http::HttpClient> client)
    : remote_(std::move(model)),
      client_(std::move(client)),
      format_(MakeProviderFormat(remote_)),
      key_(remote_.provider.key_env, remote_.provider.key_file) {}

absl::StatusOr<std::vector<EmbeddedText>> HttpProvider::Embed(
    absl::Span<const absl::string_view> texts, Purpose purpose) {
  if (texts.empty()) return std::vector<EmbeddedText>();
  const auto key = key_.Read();
  if (!key.ok()) return Finish(key.status(), remote_.model);
  auto embedded = Call(texts, purpose, *key);
  if (!embedded.ok()) return Finish(embedded.status(), remote_.model);
  return embedded;
}

absl::StatusOr<std::vector<EmbeddedText>> HttpProvider::Call(
    absl::Span<const absl::string_view> texts, Purpose purpose,
    const std::string& key) const {
  ASSIGN_OR_RETURN(http::HttpResponse response,
                   client_->Post(MakeRequest(texts, purpose, key)));
  const auto refuse = [&](Refusal refusal) {
    // Some say which key they refuse, and a proxy may repeat what it was sent.
    if (!key.empty()) {
      refusal.words = absl::StrReplaceAll(refusal.words, {{key, "[key]"}});
    }
    return ToStatus(refusal, texts.size());
  };
  if (response.status != 200) {
    return refuse(ReadRefusal(response, absl::Now()));
  }
  auto answer = format_->Decode(response, texts.size());
  if (!answer.ok()) {
    const auto refusal = FindRefusalInside(response, absl::Now());
    if (refusal.has_value()) return refuse(*refusal);
    return answer.status();
  }
  std::vector<EmbeddedText> embedded(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    embedded[i].vector = std::move(answer->vectors[i]);
    if (remote_.spec.normalize &&
        !vector::Normalize(absl::MakeSpan(embedded[i].vector))) {
      return absl::InternalError(
          "a vector has no direction: it is zero, or holds a value that is "
          "not finite");
    }
  }
  ShareTokens(answer->tokens, texts, embedded);
  return embedded;
}

http::HttpRequest HttpProvider::MakeRequest(
    absl::Span<const absl::string_view> texts, Purpose purpose,
    const std::string& key) const {
  const ProviderSpec& provider = remote_.provider;
  http::HttpRequest request{
      .url = absl::StrCat(provider.base_url, format_->Path()),
      .headers = provider.headers,
      .body = format_->Encode(texts, purpose)};
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
      texts.size() * remote_.model.dimensions * kMaxNumberBytes;
  return request;
}

}  // namespace engram::embedding
