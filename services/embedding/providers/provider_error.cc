#include "services/embedding/providers/provider_error.h"

#include <simdjson.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/http/retry_after.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxWords = 300;
// A failure is short; a page of HTML need not be parsed.
constexpr size_t kMaxParsedBytes = 64 * 1024;

absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

// One line, and text.
std::string Tidy(absl::string_view text) {
  if (!simdjson::validate_utf8(text.data(), text.size())) return "";
  std::string line(text);
  for (char& c : line) {
    if (absl::ascii_iscntrl(c)) c = ' ';
  }
  absl::RemoveExtraAsciiWhitespace(&line);
  return CutText(line, kMaxWords);
}

// The text at `element`, or of the first of a list's `msg`, as the frameworks
// behind Mistral, Voyage and others report what a request lacks.
std::string TextOf(dom::element element) {
  std::string_view text;
  if (element.get_string().get(text) == simdjson::SUCCESS) {
    return std::string(text);
  }
  dom::element inner;
  if (element.at(0)["msg"].get(inner) == simdjson::SUCCESS ||
      element["detail"].get(inner) == simdjson::SUCCESS ||
      element["message"].get(inner) == simdjson::SUCCESS) {
    return TextOf(inner);
  }
  return "";
}

// `error` as OpenAI, Gemini, OpenRouter, Ollama and TEI have it, `message` as
// Cohere and Mistral, `detail` as Voyage.
std::string WordsOf(dom::element root) {
  for (const char* const key : {"error", "message", "detail"}) {
    dom::element element;
    if (root[key].get(element) != simdjson::SUCCESS) continue;
    std::string words = TextOf(element);
    // Words for programs, which say more than those for people where a key or a
    // model is at fault.
    for (const char* const kind : {"status", "type", "code"}) {
      std::string_view name;
      if (element[kind].get_string().get(name) == simdjson::SUCCESS &&
          !name.empty()) {
        absl::StrAppend(&words, " (", ToAbsl(name), ")");
        break;
      }
    }
    if (!words.empty()) return words;
  }
  return "";
}

// Gemini's delay is in google.rpc.RetryInfo and in no header.
std::optional<absl::Duration> RetryInfoOf(dom::element root) {
  dom::array details;
  if (root["error"]["details"].get(details) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  for (const dom::element detail : details) {
    std::string_view text;
    absl::Duration delay;
    if (detail["retryDelay"].get_string().get(text) == simdjson::SUCCESS &&
        absl::ParseDuration(ToAbsl(text), &delay) &&
        delay >= absl::ZeroDuration()) {
      return delay;
    }
  }
  return std::nullopt;
}

bool MentionsAny(absl::string_view words,
                 std::initializer_list<absl::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](absl::string_view phrase) {
                       return absl::StrContains(words, phrase);
                     });
}

// Whether a refused request would be refused with any texts. Providers have no
// common code for it: Gemini answers 400 to a wrong key, Voyage and Mistral to
// a mistyped model. Calling that a fault of the text would set texts aside.
bool IsAboutConfiguration(absl::string_view words) {
  const std::string lower = absl::AsciiStrToLower(words);
  if (MentionsAny(lower, {"api key", "api_key", "apikey", "authenticat",
                          "unauthorized", "credential"})) {
    return true;
  }
  // A model's context length is named where a text is too long for it.
  if (MentionsAny(lower, {"too long", "too many tokens", "context length",
                          "maximum context", "token"})) {
    return false;
  }
  return MentionsAny(lower, {"dimension", "encoding_format", "input_type",
                             "model_not_found"}) ||
         (absl::StrContains(lower, "model") &&
          MentionsAny(lower, {"not found", "not supported", "does not exist",
                              "not exist", "invalid model", "unknown model",
                              "not a valid", "unsupported"}));
}

std::string Tell(const Refusal& refusal) {
  return absl::StrCat("the provider answered ", refusal.http_status,
                      refusal.words.empty() ? "" : ": ", refusal.words);
}

absl::Status WithDelay(absl::Status status, const Refusal& refusal) {
  if (!refusal.retry_after.has_value()) return status;
  return WithRetryDelay(std::move(status), *refusal.retry_after);
}

// As a payload, it stays with the status on its way, and no client sees it.
constexpr char kTooLongUrl[] = "engram/text-too-long";

absl::Status RefusedRequest(const Refusal& refusal) {
  if (IsAboutConfiguration(refusal.words)) {
    return absl::FailedPreconditionError(Tell(refusal));
  }
  absl::Status status = absl::InvalidArgumentError(Tell(refusal));
  if (refusal.http_status == 413 ||
      MentionsAny(absl::AsciiStrToLower(refusal.words),
                  {"too long", "too large", "token", "context length",
                   "maximum context", "length"})) {
    status.SetPayload(kTooLongUrl, absl::Cord());
  }
  return status;
}

}  // namespace

Refusal ReadRefusal(const http::HttpResponse& response, absl::Time now) {
  Refusal refusal{.http_status = response.status,
                  .retry_after = http::ReadRetryAfter(response, now)};
  dom::parser parser;
  dom::element root;
  if (response.body.size() <= kMaxParsedBytes &&
      parser.parse(response.body).get(root) == simdjson::SUCCESS) {
    refusal.words = Tidy(WordsOf(root));
    if (!refusal.retry_after.has_value()) {
      refusal.retry_after = RetryInfoOf(root);
    }
  }
  if (refusal.words.empty()) {
    refusal.words = Tidy(CutText(response.body, 4 * kMaxWords));
  }
  return refusal;
}

std::optional<Refusal> FindRefusalInside(const http::HttpResponse& response,
                                         absl::Time now) {
  dom::parser parser;
  dom::element root;
  int64_t code = 0;
  if (response.body.size() > kMaxParsedBytes ||
      parser.parse(response.body).get(root) != simdjson::SUCCESS ||
      root["error"]["code"].get_int64().get(code) != simdjson::SUCCESS ||
      code < 400 || code > 599) {
    return std::nullopt;
  }
  Refusal refusal = ReadRefusal(response, now);
  refusal.http_status = static_cast<int>(code);
  return refusal;
}

absl::Status ToStatus(const Refusal& refusal) {
  switch (refusal.http_status) {
    case 400:
    case 413:
    case 422:
      return RefusedRequest(refusal);
    case 401:
    case 403:
      return absl::FailedPreconditionError(
          absl::StrCat(Tell(refusal), "; check the key"));
    case 404:
      return absl::FailedPreconditionError(
          absl::StrCat(Tell(refusal), "; check the model's id and base_url"));
    case 402:
    case 429:
      return WithDelay(absl::ResourceExhaustedError(Tell(refusal)), refusal);
    case 408:
      return absl::DeadlineExceededError(Tell(refusal));
    // text-embeddings-inference, where the model failed.
    case 424:
      return WithDelay(absl::UnavailableError(Tell(refusal)), refusal);
    default:
      break;
  }
  if (refusal.http_status >= 500) {
    return WithDelay(absl::UnavailableError(Tell(refusal)), refusal);
  }
  if (refusal.http_status >= 300 && refusal.http_status < 400) {
    return absl::FailedPreconditionError(absl::StrCat(
        Tell(refusal),
        "; redirects are not followed, so give where it leads as base_url"));
  }
  return absl::FailedPreconditionError(Tell(refusal));
}

bool IsTooLong(const absl::Status& status) {
  return status.GetPayload(kTooLongUrl).has_value();
}

std::optional<size_t> FindNamedText(absl::string_view words, size_t texts) {
  const std::string lower = absl::AsciiStrToLower(words);
  for (const absl::string_view before :
       {"input[", "inputs[", "texts[", "requests[", "input id ", "at index ",
        "input.", "inputs.", "texts."}) {
    const size_t begin = lower.find(before.data(), 0, before.size());
    if (begin == std::string::npos) continue;
    const absl::string_view rest =
        absl::string_view(lower).substr(begin + before.size());
    const auto end = std::find_if_not(rest.begin(), rest.end(), [](char c) {
      return absl::ascii_isdigit(c);
    });
    size_t number = 0;
    if (absl::SimpleAtoi(rest.substr(0, end - rest.begin()), &number) &&
        number < texts) {
      return number;
    }
  }
  return std::nullopt;
}

}  // namespace engram::embedding
