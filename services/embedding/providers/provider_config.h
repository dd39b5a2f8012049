#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_CONFIG_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_CONFIG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/embedding/providers/provider_spec.h"

namespace engram::embedding {

// Which models are used, out of those that are known.
struct ProviderConfig {
  // By name: those that ship with Engram, changed and extended by the user.
  std::map<std::string, ProviderSpec, std::less<>> providers;
  // Those that embed, and those that rerank, in the order of the user's file.
  std::vector<RemoteModel> models;
  std::vector<RemoteModel> rerankers;
  // What the name `default` means; empty is the built-in model.
  std::string default_model;
};

// Returns what services/embedding/providers/providers.yaml says, changed and
// extended by the user's file at `path`, which has the same form; an empty
// `path` is no file, and then no model is used. docs/embedding.md describes
// the form. `InvalidArgument` lists every mistake with its place; unknown keys
// are mistakes. Keys of providers are not read.
absl::StatusOr<ProviderConfig> ReadProviderConfig(const std::string& path);

// The same for a file of that text, called `document` in messages.
absl::StatusOr<ProviderConfig> ParseProviderConfig(absl::string_view text,
                                                   absl::string_view document);

// One line for each model of `config`, for people: dimensions, fingerprint,
// address, and where its key is; never the key.
std::vector<std::string> DescribeModels(const ProviderConfig& config);

// The text of providers.yaml.
absl::string_view ShippedProviders();

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_CONFIG_H_
