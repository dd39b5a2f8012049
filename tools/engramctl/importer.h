// Writes the records of an input.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_
#define ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/position/position.h"
#include "libs/schema/collection_spec.h"
#include "tools/engramctl/record_source.h"

namespace engram::engramctl {

struct ImportOptions {
  std::string database;
  std::string collection;
  // What messages call the input.
  std::string input_name;
  // The key whose value is the record's id; the other keys are fields.
  std::string id_field = "id";
  // A batch is sent when it has as many records or bytes.
  int batch_records = 500;
  int64_t batch_bytes = 1 << 20;
  // Batches that are sent before the first is answered. More keep a distant
  // server busy, and take more memory.
  int in_flight = 4;
  // How long one batch is tried again while nothing takes it.
  absl::Duration retry_for = absl::Seconds(60);
  // The wait before the first repeat; it doubles from one to the next.
  absl::Duration first_retry_delay = absl::Milliseconds(100);
};

// What is done so far: everything up to a record of the input, in its order.
struct ImportResult {
  // Stored, and rejected.
  int64_t records = 0;
  int64_t rejected = 0;
  // The line that the last of them begins in, and bytes of the input up to its
  // end.
  int64_t line = 0;
  int64_t bytes = 0;
  // Of the texts of all of them, to tell whether the input was changed.
  uint64_t hash = 0;
  // The newest position that a write returned.
  std::string position;
  // Calls that were repeated.
  int64_t retries = 0;
};

// Where an import begins: at the beginning, or where an earlier one ended.
struct ImportStart {
  // Begins the request ids, which make it safe to send a batch again: one that
  // goes on has the first one's.
  std::string run_id;
  ImportResult done;
};

struct RejectedRecord {
  int64_t line = 0;
  std::string reason;
  // As the input has it.
  std::string text;
};

// Sends records in batches, several at a time, from threads of its own. The
// result is as if they had been sent one by one: a batch waits for those under
// way that write a record which it writes too, or refers to.
class Importer {
 public:
  using Write = std::function<absl::StatusOr<storage::v1::WriteResponse>(
      const storage::v1::WriteRequest&)>;
  // Gets what was rejected since the last call, and what is done by now; the
  // import ends if it fails.
  using Commit = std::function<absl::Status(
      const std::vector<RejectedRecord>& rejects, const ImportResult& done)>;

  // `spec` is the collection's schema and must outlive this object. `write` is
  // called from several threads, `commit` from one at a time.
  Importer(ImportOptions options, ImportStart start,
           const schema::CollectionSpec& spec, Write write, Commit commit);
  ~Importer();

  // Stores every record; those that cannot be read or are refused are rejected.
  // `on_progress` is called on this thread, every 100 ms or so. To be called
  // once.
  //
  // Fails, with the lines concerned, where the input cannot be told into
  // records and where a whole batch is refused or cannot be delivered. What
  // `commit` was told is done then; of the batches after it, some may be.
  absl::Status Run(RecordSource& source,
                   absl::FunctionRef<void(const ImportResult&)> on_progress);

  // What is done; after Run.
  ImportResult result() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Batch;

  // Goes to where an earlier import ended.
  absl::Status SkipDone(RecordSource& source);
  absl::Status ReadAll(
      RecordSource& source,
      absl::FunctionRef<void(const ImportResult&)> on_progress);
  void AddRecord(RecordSource& source, Batch& batch);
  absl::Status ReadRecord(RecordSource& source, storage::v1::Record& record);
  // What `record` is told from others by, and what it refers to.
  void AddKeys(const storage::v1::Record& record, Batch& batch) const;
  // Hands a batch to the threads once one of them is free for it. False if the
  // import has failed, so that no more is to be sent.
  bool Dispatch(std::unique_ptr<Batch> batch,
                absl::FunctionRef<void(const ImportResult&)> on_progress)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a thread is free and no batch on the way is in the way of `batch`;
  // or whether the import has failed, so that waiting is of no use.
  bool MaySend(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for the batches under way.
  void Drain(absl::FunctionRef<void(const ImportResult&)> on_progress)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void RunWorker() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sends a batch, in halves if it is too large for a message.
  absl::Status Send(const storage::v1::WriteRequest& request, int first_item,
                    Batch& batch) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SendHalves(const storage::v1::WriteRequest& request,
                          int first_item, Batch& batch)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<storage::v1::WriteResponse> WriteWithRetries(
      const storage::v1::WriteRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // Counts a batch that was sent, and commits those that are next in order.
  void Finish(std::unique_ptr<Batch> batch, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void CommitNext(Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps the failure of the earliest batch.
  void NoteFailure(int64_t batch, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ImportOptions options_;
  const ImportStart start_;
  const schema::CollectionSpec& spec_;
  const std::vector<std::vector<int>> unique_keys_;
  const Write write_;
  const Commit commit_;
  // Of the texts of all records read so far.
  uint64_t hash_;
  int64_t next_batch_ = 0;

  mutable absl::Mutex mutex_;
  std::deque<std::unique_ptr<Batch>> waiting_ ABSL_GUARDED_BY(mutex_);
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  // What the batches that wait or are under way write.
  absl::flat_hash_set<std::string> busy_keys_ ABSL_GUARDED_BY(mutex_);
  // Batches that were sent before one that stands before them in the input.
  std::map<int64_t, std::unique_ptr<Batch>> sent_ ABSL_GUARDED_BY(mutex_);
  int64_t next_commit_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the earliest batch that failed.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int64_t failed_batch_ ABSL_GUARDED_BY(mutex_) = 0;
  ImportResult result_ ABSL_GUARDED_BY(mutex_);
  Position position_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_
