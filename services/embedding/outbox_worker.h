#ifndef ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_
#define ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/embedding/backoff.h"
#include "services/embedding/chunked_entry.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/provider.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// How an OutboxWorker works; see EmbeddingOptions.
struct OutboxWorkerSettings {
  // What storage's log calls this process.
  std::string holder;
  int max_entries = 512;
  absl::Duration lease = absl::Seconds(60);
  // How long storage may keep a call for work that is not there yet.
  absl::Duration wait = absl::Seconds(10);
  absl::Duration max_backoff = absl::Seconds(5);
};

// Step 4 of a record's life: leases outbox entries of one model, has their
// texts embedded, and sends the vectors back. A lease is no more than the
// model's provider takes in a call, so that what was paid for is soon stored.
//
// Keeps nothing: whatever goes wrong, the entries are still in storage's outbox
// and are handed out again when their lease ends. So every step may be
// repeated, and several workers, in any number of processes, may run at once.
class OutboxWorker {
 public:
  // All references must outlive this object.
  OutboxWorker(Provider& provider, StorageClient& storage,
               ModelRegistrar& registrar, OutboxWorkerSettings settings,
               prometheus::Registry& registry);

  // Waits for the loop's end; `storage` must be shut down before.
  ~OutboxWorker();

  OutboxWorker(const OutboxWorker&) = delete;
  OutboxWorker& operator=(const OutboxWorker&) = delete;

  // Starts a thread that calls RunOnce, with pauses after failures, until
  // `storage` is shut down. Call it once.
  void Start();

  // Handles one lease: waits for entries, embeds them and stores their vectors.
  // OK if none came in time. On an error the entries that were not stored stay
  // leased.
  absl::Status RunOnce();

 private:
  using Entry = storage::v1::OutboxEntry;
  using Entries = std::vector<const Entry*>;

  void Run();
  absl::StatusOr<storage::v1::LeasePendingResponse> Lease();

  // Cuts the texts of `entries` into chunks, embeds these some `max_entries_`
  // at a time, and stores the vectors of one call before the next. A text that
  // cannot be cut or embedded is logged and left out with its entry.
  absl::Status Embed(const Entries& entries, absl::Time deadline);
  // Embeds the texts of one call and stores their vectors: on an error, those
  // of the entries that went well before it.
  absl::Status EmbedAndPut(absl::Span<const ChunkedEntry> entries,
                           absl::Time deadline);
  absl::Status EmbedTogether(absl::Span<const ChunkedEntry> entries,
                             std::vector<storage::v1::VectorPut>& puts);
  // After `refusal` of a text among those of `entries`.
  absl::Status EmbedOneByOne(absl::Span<const ChunkedEntry> entries,
                             const absl::Status& refusal,
                             std::vector<storage::v1::VectorPut>& puts);

  // Stores `puts` in messages of bounded size, trying again until `deadline`
  // while storage is down or busy.
  absl::Status Put(std::vector<storage::v1::VectorPut> puts,
                   absl::Time deadline);
  absl::Status PutMessage(const storage::v1::PutVectorsRequest& message,
                          absl::Time deadline);

  Provider& provider_;
  StorageClient& storage_;
  ModelRegistrar& registrar_;
  const OutboxWorkerSettings settings_;
  const int max_entries_;
  prometheus::Counter& stored_;
  prometheus::Counter& dropped_;

  std::thread thread_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_
