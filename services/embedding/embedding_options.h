#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_OPTIONS_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_OPTIONS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace engram::config {
class Flags;
}

namespace engram::embedding {

// The settings of the embedding service.
struct EmbeddingOptions {
  // The built-in model's file. Empty, the default: the one installed beside the
  // binary, in ../share/engram/models, else that of the source tree.
  std::string model_file;

  // YAML file of the remote models to use and how to reach their providers;
  // docs/embedding.md has its form. Empty, the default: only the built-in
  // model.
  std::string providers;

  // How many threads take texts from storage, embed them and put the vectors
  // back, for the built-in model and for each remote one; 1 to 64. More overlap
  // waiting for storage and for providers with embedding; each one more holds a
  // batch of texts and vectors in memory.
  int indexer_threads = 2;

  // The most texts that a thread takes at once; 1 to 4096. More make fewer,
  // larger commits in storage; fewer make the first of a batch findable sooner.
  int indexer_batch = 512;

  // How long a text stays with the process that took it, 1 s to 10 min; the
  // process asks for more time while a provider works. Raised, another process
  // takes over the texts of one that died later; lowered, a process that was
  // held up for so long finds its texts embedded by another.
  absl::Duration indexer_lease = absl::Seconds(60);

  // The longest pause between tries while storage or a provider is down, 10 ms
  // to 5 min. Raised, less is asked of a service that struggles, and the work
  // resumes later once it is back.
  absl::Duration indexer_max_backoff = absl::Seconds(5);

  // How many threads embed with the built-in model for calls, 1 to 256. It
  // gains nothing beyond the number of cores.
  int embed_threads = 4;

  // How many calls may wait for one of these threads, 1 to 100000; beyond it a
  // call is `RESOURCE_EXHAUSTED`. Raised, bursts are taken at the price of
  // memory and of answers that come late.
  int embed_queue = 256;

  // How many calls may wait for remote models at once, 1 to 100000; beyond it a
  // call is `RESOURCE_EXHAUSTED`. They hold no threads. Raised, bursts are
  // taken at the price of memory and of answers that come late.
  int embed_remote_calls = 1024;

  // Memory for vectors of remote models that were used last, 0 to 65536 MiB, so
  // that the same text is not paid for again; some 6 KiB a vector of 1536
  // dimensions. Raised, fewer texts are paid for twice.
  int embed_cache_mib = 64;

  void Declare(config::Flags& flags);

  // `InvalidArgument` naming the setting that is out of its range, or the
  // mistakes in the file of `providers`.
  absl::Status Validate() const;

  // Returns `model_file`, or where the default stands.
  std::string ResolvedModelFile() const;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_OPTIONS_H_
