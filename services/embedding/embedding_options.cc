#include "services/embedding/embedding_options.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "libs/config/flags.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/provider_config.h"

namespace engram::embedding {
namespace {

constexpr char kModelName[] = "static-minilm-256.model";

template <typename Value>
absl::Status CheckRange(absl::string_view name, Value value, Value least,
                        Value most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is ", value, "; give a value from ", least, " to ", most));
}

absl::Status CheckRange(absl::string_view name, absl::Duration value,
                        absl::Duration least, absl::Duration most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " is ", absl::FormatDuration(value), "; give a value from ",
      absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
}

// The remote models, as comments behind the settings of --check-config.
std::string DescribeProviders(const std::string& path) {
  const auto config = ReadProviderConfig(path);
  std::string text;
  if (!config.ok()) return text;
  for (const std::string& line : DescribeModels(*config)) {
    absl::StrAppend(&text, "# model ", line, "\n");
  }
  return text;
}

}  // namespace

void EmbeddingOptions::Declare(config::Flags& flags) {
  flags.Add("model-file", &model_file,
            "The built-in model's file; empty is the one that ships with "
            "Engram");
  flags.Add("providers", &providers,
            "YAML file of the remote models to use and their providers; empty "
            "uses only the built-in model");
  flags.Report([this] { return DescribeProviders(providers); });
  flags.Add("indexer-threads", &indexer_threads,
            "Threads that embed what waits in storage, for the built-in model "
            "and for each remote one; each holds a batch of texts and vectors "
            "in memory");
  flags.Add("indexer-batch", &indexer_batch,
            "Texts that such a thread takes at once; more make larger commits "
            "and the first of a batch findable later");
  flags.Add("indexer-lease", &indexer_lease,
            "How long a taken text stays with this process; longer delays the "
            "work of a process that died");
  flags.Add("indexer-max-backoff", &indexer_max_backoff,
            "Longest pause between tries while storage or a provider is down; "
            "longer resumes later");
  flags.Add("embed-threads", &embed_threads,
            "Threads that embed with the built-in model for calls; more than "
            "cores do not help");
  flags.Add("embed-queue", &embed_queue,
            "Calls that may wait for such a thread; more use memory and answer "
            "later");
  flags.Add("embed-remote-calls", &embed_remote_calls,
            "Calls that may wait for remote models at once; more use memory "
            "and answer later");
  flags.Add("embed-cache-mib", &embed_cache_mib,
            "Memory for vectors of remote models, in MiB, so that a text is "
            "not paid for again");
}

absl::Status EmbeddingOptions::Validate() const {
  RETURN_IF_ERROR(CheckRange("indexer-threads", indexer_threads, 1, 64));
  RETURN_IF_ERROR(CheckRange("indexer-batch", indexer_batch, 1, 4096));
  RETURN_IF_ERROR(CheckRange("indexer-lease", indexer_lease, absl::Seconds(1),
                             absl::Minutes(10)));
  RETURN_IF_ERROR(CheckRange("indexer-max-backoff", indexer_max_backoff,
                             absl::Milliseconds(10), absl::Minutes(5)));
  RETURN_IF_ERROR(CheckRange("embed-threads", embed_threads, 1, 256));
  RETURN_IF_ERROR(CheckRange("embed-queue", embed_queue, 1, 100'000));
  RETURN_IF_ERROR(
      CheckRange("embed-remote-calls", embed_remote_calls, 1, 100'000));
  RETURN_IF_ERROR(CheckRange("embed-cache-mib", embed_cache_mib, 0, 65'536));
  return ReadProviderConfig(providers).status();
}

std::string EmbeddingOptions::ResolvedModelFile() const {
  if (!model_file.empty()) return model_file;
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto installed = binary.parent_path().parent_path() / "share" /
                           "engram" / "models" / kModelName;
    if (std::filesystem::exists(installed, error)) return installed.string();
  }
  return absl::StrCat(ENGRAM_SOURCE_MODELS, "/", kModelName);
}

}  // namespace engram::embedding
