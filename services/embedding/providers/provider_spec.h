// What is known of providers and their models: the facts of providers.yaml.

#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_SPEC_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_SPEC_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/http/http_client.h"
#include "services/embedding/provider.h"
#include "services/embedding/rate_limits.h"

namespace engram::embedding {

// The shape of a provider's requests and answers; a subclass of ProviderFormat
// each. Part of fingerprints: never rename a word of it.
enum class Format { kOpenAi, kGemini, kCohere, kOllama, kTei };

// How vectors travel in an answer of the OpenAI shape.
enum class Encoding { kFloat, kBase64 };

// What a model is given beside the text, to tell what it is for.
struct PurposeSpec {
  // Put before the text.
  std::string prefix;
  // The value of the provider's own field for it, such as `search_query`.
  std::string task;
};

struct ModelSpec {
  // Engram's name of it, after the provider's and a slash.
  std::string name;
  // The provider's name of it.
  std::string id;
  // Of a vector that is not shortened; 1 to 4096.
  int dimensions = 0;
  // Others that the provider makes on demand: ranges, both ends included.
  std::vector<std::pair<int, int>> other_dimensions;
  // The most tokens of one text; 0 is not known.
  int max_tokens = 0;
  // Whether it scores texts by a query; then it has one dimension.
  bool reranks = false;
  // What a million tokens cost, and a thousand searches of a model that
  // reranks, in US dollars; 0 is nothing, or not known.
  double usd_per_million_tokens = 0;
  double usd_per_thousand_searches = 0;
  // Whether vectors are brought to unit length.
  bool normalize = true;
  // Changed by whoever replaces a model behind its name.
  std::string revision;
  PurposeSpec document;
  PurposeSpec query;
  // Where these are 0, the provider's count.
  CallLimits limits;
  RateLimits rate;
};

// Another place where a provider's models are served.
struct EndpointSpec {
  // Without a slash at its end.
  std::string base_url;
  // Where the key is; at most one of them.
  std::string key_env;
  std::string key_file;
};

struct ProviderSpec {
  std::string name;
  Format format = Format::kOpenAi;
  EndpointSpec endpoint;
  // Where to turn if that fails, in their order.
  std::vector<EndpointSpec> fallbacks;
  // The header that carries the key as it is; empty is `Authorization` with
  // `Bearer` before the key.
  std::string key_header;
  std::vector<http::Header> headers;
  // Fields of every request, of the OpenAI shape only: name and JSON value.
  std::map<std::string, std::string> body;
  // The names of the fields for a vector's dimensions and for what a text is
  // for, of the OpenAI shape only; empty if the provider has none.
  std::string dimensions_field;
  std::string task_field;
  Encoding encoding = Encoding::kFloat;
  http::HttpClientOptions http;
  // What a call may hold where neither the provider nor the model says.
  CallLimits limits = {.texts = 256, .calls = 8};
  // Of each model that has none of its own.
  RateLimits rate;
  // Where the model has none.
  std::string document_task;
  std::string query_task;
  std::map<std::string, ModelSpec, std::less<>> models;
};

// One model that is used: all that a provider of it needs.
struct RemoteModel {
  // Without its models.
  ProviderSpec provider;
  // With everything filled in that the provider's spec says for it.
  ModelSpec spec;
  // As asked for; dimensions differ from the spec's if they are shortened.
  Model model;

  const PurposeSpec& For(Purpose purpose) const {
    return purpose == Purpose::kQuery ? spec.query : spec.document;
  }
  // Dimensions to ask for; 0 if the model's own are wanted.
  int asked_dimensions() const {
    return model.dimensions == spec.dimensions ? 0 : model.dimensions;
  }
};

// The words for formats in providers.yaml, in the order of Format.
inline constexpr absl::string_view kFormatWords[] = {"openai", "gemini",
                                                     "cohere", "ollama", "tei"};

// Whether the format can ask a model to rerank.
bool HasRerank(Format format);

// Returns what identifies the vectors of `model`, whose name is set: changes
// with all that changes them, and not with where or with whose key they are
// made. Stored in databases: what it makes of given facts must never change.
std::string MakeFingerprint(const RemoteModel& model);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_SPEC_H_
