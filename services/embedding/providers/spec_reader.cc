#include "services/embedding/providers/spec_reader.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/json/json.h"
#include "libs/schema/yaml_literal.h"
#include "libs/vector/vector.h"

namespace engram::embedding {
namespace {

using schema::JoinPath;
using schema::PathAt;
using schema::YamlNode;
using Kind = YamlNode::Kind;

constexpr size_t kMaxNameBytes = 63;
constexpr int kMaxTokens = 10'000'000;
constexpr int kMaxTexts = 4096;
constexpr int64_t kMaxCallBytes = int64_t{64} << 20;
constexpr int kMaxCalls = 256;
constexpr int64_t kMaxRate = 1'000'000'000'000;
constexpr size_t kMaxFallbacks = 8;
constexpr double kMaxPrice = 1'000'000;
constexpr absl::Duration kMaxTimeout = absl::Minutes(10);

constexpr absl::string_view kProviderAttributes[] = {"base_url",
                                                     "body",
                                                     "ca_file",
                                                     "connect_timeout",
                                                     "dimensions_field",
                                                     "document_task",
                                                     "encoding",
                                                     "fallbacks",
                                                     "format",
                                                     "headers",
                                                     "key_env",
                                                     "key_file",
                                                     "key_header",
                                                     "max_call_bytes",
                                                     "max_call_tokens",
                                                     "max_calls",
                                                     "max_texts",
                                                     "models",
                                                     "proxy",
                                                     "query_task",
                                                     "requests_per_minute",
                                                     "task_field",
                                                     "timeout",
                                                     "tokens_per_minute"};
constexpr absl::string_view kFallbackAttributes[] = {"base_url", "key_env",
                                                     "key_file"};
constexpr absl::string_view kModelAttributes[] = {"dimensions",
                                                  "document_prefix",
                                                  "document_task",
                                                  "id",
                                                  "kind",
                                                  "max_call_bytes",
                                                  "max_call_tokens",
                                                  "max_calls",
                                                  "max_texts",
                                                  "max_tokens",
                                                  "normalize",
                                                  "other_dimensions",
                                                  "query_prefix",
                                                  "query_task",
                                                  "requests_per_minute",
                                                  "revision",
                                                  "tokens_per_minute",
                                                  "usd_per_million_tokens",
                                                  "usd_per_thousand_searches"};
constexpr absl::string_view kModelKinds[] = {"embed", "rerank"};
// In the order of Encoding.
constexpr absl::string_view kEncodings[] = {"float", "base64"};

// What a header or a field may be called.
bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
}

bool IsPrintable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isprint);
}

// `http://host`, no name or password in it, and nothing behind a `?` or `#`.
bool IsPlainUrl(absl::string_view url) {
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "https://") &&
      !absl::ConsumePrefix(&rest, "http://")) {
    return false;
  }
  return !rest.empty() && rest[0] != '/' && IsPrintable(url) &&
         rest.find_first_of("@?# ") == absl::string_view::npos;
}

// A scalar as JSON: a plain true, false, null or number as it is.
std::string ToJson(const YamlNode& node) {
  double number = 0;
  if (node.plain &&
      (node.text == "true" || node.text == "false" || node.text == "null")) {
    return node.text;
  }
  if (node.plain && absl::SimpleAtod(node.text, &number)) {
    google::protobuf::Value value;
    value.set_number_value(number);
    std::string json;
    json::AppendJson(value, &json);
    return json;
  }
  std::string json;
  json::AppendQuoted(node.text, &json);
  return json;
}

}  // namespace

bool SpecReader::IsProviderName(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

bool SpecReader::IsModelName(absl::string_view text) {
  const auto is_letter = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c);
  };
  return !text.empty() && text.size() <= 2 * kMaxNameBytes &&
         is_letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || c == '-' || c == '.';
         });
}

void SpecReader::ReadProvider(const YamlNode& node, const std::string& path,
                              ProviderSpec& spec) {
  if (!document_.CheckAttributes(node, path, kProviderAttributes)) return;
  if (const YamlNode* const format = node.Find("format")) {
    const auto word =
        document_.ReadWord(*format, JoinPath(path, "format"), kFormatWords);
    if (word.has_value()) spec.format = static_cast<Format>(*word);
  }
  if (const YamlNode* const encoding = node.Find("encoding")) {
    const auto word =
        document_.ReadWord(*encoding, JoinPath(path, "encoding"), kEncodings);
    if (word.has_value()) spec.encoding = static_cast<Encoding>(*word);
  }
  ReadEndpoint(node, path, spec.endpoint);
  ReadKeyHeader(node, path, spec);
  ReadFallbacks(node, path, spec);
  ReadHttp(node, path, spec.http);
  ReadHeaders(node, path, spec);
  ReadBody(node, path, spec);
  ReadLimits(node, path, spec.limits, spec.rate);
  ReadText(node, path, "dimensions_field", spec.dimensions_field);
  ReadText(node, path, "task_field", spec.task_field);
  ReadText(node, path, "document_task", spec.document_task);
  ReadText(node, path, "query_task", spec.query_task);
  if (const YamlNode* const models = node.Find("models")) {
    ReadModels(*models, JoinPath(path, "models"), spec);
  }
}

void SpecReader::ReadModels(const YamlNode& node, const std::string& path,
                            ProviderSpec& spec) {
  if (node.kind != Kind::kMap) {
    document_.Report(node, path,
                     "wants a map such as {small-model: {dimensions: 384}}");
    return;
  }
  for (size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    const std::string model_path = JoinPath(path, name);
    if (!IsModelName(name)) {
      document_.Report(node.keys[i], model_path,
                       "is no name of a model; use lower-case letters, digits, "
                       "dots and dashes, and give the provider's name as id");
    } else if (node.Find(name) != &node.children[i]) {
      document_.Report(node.keys[i], model_path, "is given twice; keep one");
    } else {
      ModelSpec& model = spec.models[name];
      model.name = name;
      if (model.id.empty()) model.id = name;
      ReadModel(node.children[i], model_path, model);
    }
  }
}

void SpecReader::ReadModel(const YamlNode& node, const std::string& path,
                           ModelSpec& spec) {
  if (!document_.CheckAttributes(node, path, kModelAttributes)) return;
  ReadText(node, path, "id", spec.id);
  ReadNumber(node, path, "dimensions", 1, vector::kMaxDimensions,
             spec.dimensions);
  if (const YamlNode* const others = node.Find("other_dimensions")) {
    ReadOtherDimensions(*others, JoinPath(path, "other_dimensions"), spec);
  }
  ReadNumber(node, path, "max_tokens", 0, kMaxTokens, spec.max_tokens);
  if (const YamlNode* const kind = node.Find("kind")) {
    const auto word =
        document_.ReadWord(*kind, JoinPath(path, "kind"), kModelKinds);
    if (word.has_value()) spec.reranks = *word == 1;
  }
  // A score is a vector of one dimension, which no length is asked of.
  if (spec.reranks) {
    spec.dimensions = 1;
    spec.normalize = false;
  }
  ReadPrice(node, path, "usd_per_million_tokens", spec.usd_per_million_tokens);
  ReadPrice(node, path, "usd_per_thousand_searches",
            spec.usd_per_thousand_searches);
  if (const YamlNode* const normalize = node.Find("normalize")) {
    spec.normalize = document_.ReadBool(normalize, JoinPath(path, "normalize"));
  }
  ReadText(node, path, "revision", spec.revision);
  ReadText(node, path, "document_prefix", spec.document.prefix);
  ReadText(node, path, "document_task", spec.document.task);
  ReadText(node, path, "query_prefix", spec.query.prefix);
  ReadText(node, path, "query_task", spec.query.task);
  ReadLimits(node, path, spec.limits, spec.rate);
}

void SpecReader::ReadOtherDimensions(const YamlNode& node,
                                     const std::string& path, ModelSpec& spec) {
  std::vector<std::pair<int, int>> ranges;
  const auto read = [&](const YamlNode& element) {
    const std::vector<absl::string_view> ends =
        absl::StrSplit(element.text, absl::MaxSplits('-', 1));
    int least = 0;
    int most = 0;
    const bool valid = element.kind == Kind::kScalar &&
                       absl::SimpleAtoi(ends.front(), &least) &&
                       absl::SimpleAtoi(ends.back(), &most) && least >= 1 &&
                       least <= most && most <= vector::kMaxDimensions;
    if (valid) ranges.emplace_back(least, most);
    return valid;
  };
  const bool valid =
      node.kind == Kind::kSequence
          ? std::all_of(node.children.begin(), node.children.end(), read)
          : read(node);
  if (valid) {
    spec.other_dimensions = std::move(ranges);
  } else {
    document_.Report(node, path,
                     absl::StrCat("wants numbers of dimensions, such as [256, "
                                  "512], or from which to which, such as "
                                  "128-3072; at most ",
                                  vector::kMaxDimensions));
  }
}

void SpecReader::ReadEndpoint(const YamlNode& node, const std::string& path,
                              EndpointSpec& endpoint) {
  ReadKey(node, path, endpoint);
  const YamlNode* const url = node.Find("base_url");
  if (url == nullptr) return;
  if (url->kind == Kind::kScalar && IsPlainUrl(url->text)) {
    endpoint.base_url = std::string(absl::StripSuffix(url->text, "/"));
    return;
  }
  document_.Report(*url, JoinPath(path, "base_url"),
                   "wants an address such as https://api.example.com/v1, "
                   "without a password or a query");
}

void SpecReader::ReadKey(const YamlNode& node, const std::string& path,
                         EndpointSpec& endpoint) {
  const YamlNode* const env = node.Find("key_env");
  const YamlNode* const file = node.Find("key_file");
  if (env != nullptr && file != nullptr) {
    document_.Report(*file, JoinPath(path, "key_file"),
                     "does not go with key_env; keep one");
  }
  ReadText(node, path, "key_env", endpoint.key_env);
  ReadText(node, path, "key_file", endpoint.key_file);
  if (env != nullptr) endpoint.key_file.clear();
  if (file != nullptr) endpoint.key_env.clear();
  if (env != nullptr && !endpoint.key_env.empty() &&
      !IsToken(endpoint.key_env)) {
    document_.Report(*env, JoinPath(path, "key_env"),
                     "wants the name of an environment variable, not a key");
    endpoint.key_env.clear();
  }
}

void SpecReader::ReadFallbacks(const YamlNode& node, const std::string& path,
                               ProviderSpec& spec) {
  const YamlNode* const fallbacks = node.Find("fallbacks");
  if (fallbacks == nullptr) return;
  const std::string list_path = JoinPath(path, "fallbacks");
  if (!document_.CheckList(*fallbacks, list_path,
                           "a list such as [{base_url: https://...}]",
                           kMaxFallbacks)) {
    return;
  }
  spec.fallbacks.clear();
  for (size_t i = 0; i < fallbacks->children.size(); ++i) {
    const YamlNode& element = fallbacks->children[i];
    const std::string element_path = PathAt(list_path, i);
    if (!document_.CheckAttributes(element, element_path,
                                   kFallbackAttributes)) {
      continue;
    }
    // Not with the provider's key, which is nothing for another host.
    EndpointSpec endpoint;
    ReadEndpoint(element, element_path, endpoint);
    if (element.Find("base_url") == nullptr) {
      document_.Report(element, JoinPath(element_path, "base_url"),
                       "is missing; give the address of the same models");
    }
    spec.fallbacks.push_back(std::move(endpoint));
  }
}

void SpecReader::ReadKeyHeader(const YamlNode& node, const std::string& path,
                               ProviderSpec& spec) {
  const YamlNode* const header = node.Find("key_header");
  if (header == nullptr) return;
  spec.key_header = header->text;
  if (header->kind != Kind::kScalar ||
      (!header->text.empty() && !IsToken(header->text))) {
    document_.Report(*header, JoinPath(path, "key_header"),
                     "wants a header's name, such as api-key");
  }
}

void SpecReader::ReadHttp(const YamlNode& node, const std::string& path,
                          http::HttpClientOptions& http) {
  ReadText(node, path, "ca_file", http.ca_file);
  if (const YamlNode* const proxy = node.Find("proxy")) {
    http.proxy = proxy->text;
    if (proxy->text != "none" && !IsPlainUrl(proxy->text)) {
      document_.Report(*proxy, JoinPath(path, "proxy"),
                       "wants http://host:port without a password, or none; a "
                       "proxy with a password goes into the environment "
                       "variable https_proxy");
    }
  }
  const std::pair<absl::string_view, absl::Duration*> limits[] = {
      {"connect_timeout", &http.connect_timeout}, {"timeout", &http.timeout}};
  for (const auto& [name, limit] : limits) {
    const YamlNode* const given = node.Find(name);
    if (given == nullptr) continue;
    const auto duration = document_.ReadDuration(*given, JoinPath(path, name));
    if (duration.has_value() && *duration <= kMaxTimeout) {
      *limit = *duration;
    } else if (duration.has_value()) {
      document_.Report(*given, JoinPath(path, name), "wants at most 10m");
    }
  }
}

void SpecReader::ReadHeaders(const YamlNode& node, const std::string& path,
                             ProviderSpec& spec) {
  const YamlNode* const headers = node.Find("headers");
  if (headers == nullptr) return;
  const std::string headers_path = JoinPath(path, "headers");
  if (headers->kind != Kind::kMap) {
    document_.Report(*headers, headers_path,
                     "wants a map such as {X-Title: my application}");
    return;
  }
  spec.headers.clear();
  for (size_t i = 0; i < headers->keys.size(); ++i) {
    const YamlNode& value = headers->children[i];
    const std::string& name = headers->keys[i].text;
    if (!IsToken(name) || value.kind != Kind::kScalar ||
        !IsPrintable(value.text)) {
      document_.Report(headers->keys[i], JoinPath(headers_path, name),
                       "is no header with a value");
    } else if (absl::EqualsIgnoreCase(name, "authorization")) {
      document_.Report(headers->keys[i], JoinPath(headers_path, name),
                       "would put a key into this file; use key_env or "
                       "key_file, and key_header for another header");
    } else {
      spec.headers.push_back({name, value.text});
    }
  }
}

void SpecReader::ReadBody(const YamlNode& node, const std::string& path,
                          ProviderSpec& spec) {
  const YamlNode* const body = node.Find("body");
  if (body == nullptr) return;
  const std::string body_path = JoinPath(path, "body");
  if (body->kind != Kind::kMap) {
    document_.Report(*body, body_path,
                     "wants a map such as {truncation: false}");
    return;
  }
  for (size_t i = 0; i < body->keys.size(); ++i) {
    if (IsToken(body->keys[i].text) &&
        body->children[i].kind == Kind::kScalar) {
      spec.body[body->keys[i].text] = ToJson(body->children[i]);
    } else {
      document_.Report(body->keys[i], JoinPath(body_path, body->keys[i].text),
                       "wants text, a number, true or false");
    }
  }
}

void SpecReader::ReadLimits(const YamlNode& node, const std::string& path,
                            CallLimits& limits, RateLimits& rate) {
  ReadNumber(node, path, "max_texts", 1, kMaxTexts, limits.texts);
  ReadNumber(node, path, "max_call_tokens", 1, kMaxTokens, limits.tokens);
  ReadNumber(node, path, "max_call_bytes", 1, kMaxCallBytes, limits.bytes);
  ReadNumber(node, path, "max_calls", 1, kMaxCalls, limits.calls);
  ReadNumber(node, path, "requests_per_minute", 1, kMaxRate, rate.requests);
  ReadNumber(node, path, "tokens_per_minute", 1, kMaxRate, rate.tokens);
}

void SpecReader::ReadPrice(const YamlNode& node, const std::string& path,
                           absl::string_view name, double& price) {
  const YamlNode* const given = node.Find(name);
  if (given == nullptr) return;
  if (!absl::SimpleAtod(given->text, &price) || !(price >= 0) ||
      price > kMaxPrice) {
    document_.Report(*given, JoinPath(path, name),
                     "wants a number of dollars, such as 0.02");
  }
}

void SpecReader::ReadText(const YamlNode& node, const std::string& path,
                          absl::string_view name, std::string& text) {
  const YamlNode* const given = node.Find(name);
  if (given == nullptr) return;
  // `key_env: ""` takes back what ships with Engram.
  if (given->kind == Kind::kScalar) {
    text = given->text;
  } else {
    document_.Report(*given, JoinPath(path, name), "wants text");
  }
}

template <typename Number>
void SpecReader::ReadNumber(const YamlNode& node, const std::string& path,
                            absl::string_view name, int64_t least, int64_t most,
                            Number& number) {
  const YamlNode* const given = node.Find(name);
  if (given == nullptr) return;
  const auto value =
      document_.ReadInt(*given, JoinPath(path, name), least, most);
  if (value.has_value()) number = static_cast<Number>(*value);
}

}  // namespace engram::embedding
