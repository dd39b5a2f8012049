#ifndef ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_
#define ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/embedding/backoff.h"
#include "services/embedding/chunked_entry.h"
#include "services/embedding/lease_keeper.h"
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
// A text that is at fault is reported (see IsTextsFault).
//
// Keeps nothing: whatever goes wrong, the entries are still in storage's outbox
// and are handed out again, at once if the worker can give them back, else when
// their lease ends. So every step may be repeated, and several workers, in any
// number of processes, may run at once.
class OutboxWorker {
 public:
  // All references must outlive this object.
  OutboxWorker(Provider& provider, StorageClient& storage,
               ModelRegistrar& registrar, LeaseKeeper& keeper,
               OutboxWorkerSettings settings, prometheus::Registry& registry);

  // Waits for the loop's end; `storage` must be shut down before.
  ~OutboxWorker();

  OutboxWorker(const OutboxWorker&) = delete;
  OutboxWorker& operator=(const OutboxWorker&) = delete;

  // Starts a thread that calls RunOnce, with pauses after failures, until
  // `storage` is shut down. Call it once.
  void Start();

  // Handles one lease: waits for entries, embeds them, stores their vectors and
  // reports texts that cannot be embedded. OK if none came in time. After an
  // error, of the provider or of storage, the others may have what is left.
  absl::Status RunOnce();

 private:
  using Entry = storage::v1::OutboxEntry;
  using Entries = std::vector<const Entry*>;

  void Run();
  absl::StatusOr<storage::v1::LeasePendingResponse> Lease();

  // Cuts the texts of `entries` into chunks, embeds these some `max_entries_`
  // at a time, and stores the vectors of one call before the next. What cannot
  // be cut is logged and left out; what another has by now is left out too.
  absl::Status Embed(const Entries& entries, LeaseKeeper::Hold& hold);
  // Embeds the texts of one call, stores the vectors of entries whose texts all
  // have one, and reports those with a text that is at fault.
  absl::Status EmbedAndPut(absl::Span<const ChunkedEntry> entries,
                           LeaseKeeper::Hold& hold);

  // Each sends what it is given in messages of bounded size, trying again for
  // as long as a lease while storage is down or busy.
  absl::Status Put(std::vector<storage::v1::VectorPut> puts,
                   LeaseKeeper::Hold& hold);
  absl::Status PutMessage(const storage::v1::PutVectorsRequest& message,
                          LeaseKeeper::Hold& hold);
  // After `refusal` of the message: finds out which vectors storage refuses,
  // and reports their texts, which are not to be paid for again and again.
  absl::Status PutOneByOne(const storage::v1::PutVectorsRequest& message,
                           const absl::Status& refusal,
                           LeaseKeeper::Hold& hold);
  absl::Status Report(std::vector<storage::v1::FailureReport> reports,
                      LeaseKeeper::Hold& hold);
  absl::Status ReportMessage(const storage::v1::ReportFailureRequest& message,
                             LeaseKeeper::Hold& hold);

  // Calls a method of `storage_`.
  template <typename Request, typename Response>
  absl::StatusOr<Response> CallPatiently(
      absl::StatusOr<Response> (StorageClient::*method)(const Request&),
      const Request& request);

  Provider& provider_;
  StorageClient& storage_;
  ModelRegistrar& registrar_;
  LeaseKeeper& keeper_;
  const OutboxWorkerSettings settings_;
  const int max_entries_;
  // Who is paused, and whose usage it is.
  const std::string provider_name_;
  prometheus::Counter& stored_;
  prometheus::Counter& dropped_;
  prometheus::Counter& failed_;
  prometheus::Counter& postponed_;

  std::thread thread_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_OUTBOX_WORKER_H_
