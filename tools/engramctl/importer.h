// Writes the lines of a JSONL file as records.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_
#define ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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
#include "libs/json/json.h"
#include "libs/position/position.h"
#include "tools/engramctl/line_reader.h"

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

// What is stored so far.
struct ImportResult {
  int64_t records = 0;
  // Of the input: the lines of these records.
  int64_t bytes = 0;
  // Every record up to this line is stored, and of the later lines
  // `records_after` are.
  int64_t complete_to_line = 0;
  int64_t records_after = 0;
  // The newest position that a write returned.
  std::string position;
  // Calls that were repeated.
  int64_t retries = 0;
};

// Sends records in batches, several at a time, from threads of its own. Two
// batches with a record in common are never under way together, so the last
// line of an id is the one that stays.
class Importer {
 public:
  using Write = std::function<absl::StatusOr<storage::v1::WriteResponse>(
      const storage::v1::WriteRequest&)>;

  // `write` is called from several threads.
  Importer(ImportOptions options, Write write);
  ~Importer();

  // Stores every line; blank ones are passed over. `on_progress` is called on
  // this thread, every 100 ms or so. To be called once.
  //
  // Ends at the first line that cannot become a record, or that the server
  // refuses, with an error that names the line. Every line before that one is
  // stored then; of those after it, a few may be, where the server refused.
  absl::Status Run(LineReader& lines,
                   absl::FunctionRef<void(const ImportResult&)> on_progress);

  // What is stored; after Run.
  ImportResult result() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Batch;

  absl::Status ReadAll(
      LineReader& lines,
      absl::FunctionRef<void(const ImportResult&)> on_progress);
  absl::Status AddLine(const LineReader& lines, Batch& batch);
  // Hands a batch to the threads once one of them is free for it. False if the
  // import has failed, so that no more is to be sent.
  bool Dispatch(std::unique_ptr<Batch> batch,
                absl::FunctionRef<void(const ImportResult&)> on_progress)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a thread is free and no batch on the way holds a record of `batch`;
  // or whether the import has failed, so that waiting is of no use.
  bool MaySend(const Batch& batch) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for the batches under way.
  void Drain(absl::FunctionRef<void(const ImportResult&)> on_progress)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void RunWorker() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sends a batch; where the server refuses a record of it, those before it.
  void Send(Batch& batch) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<storage::v1::WriteResponse> WriteWithRetries(
      const storage::v1::WriteRequest& request) ABSL_LOCKS_EXCLUDED(mutex_);
  // Says which lines of `batch` an error is about.
  absl::Status NameLines(const Batch& batch, const absl::Status& status) const;
  void NoteStored(const Batch& batch, const std::string& position)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void NoteFailure(int64_t line, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const ImportOptions options_;
  const Write write_;
  // Begins the request ids of this run, which make records without an id safe
  // to send again.
  const std::string run_id_;
  json::Parser parser_;
  int64_t next_batch_ = 0;

  mutable absl::Mutex mutex_;
  std::deque<std::unique_ptr<Batch>> waiting_ ABSL_GUARDED_BY(mutex_);
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the records that wait or are under way.
  absl::flat_hash_set<std::string> busy_ids_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the earliest line that failed; 0 and OK are none.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int64_t failed_line_ ABSL_GUARDED_BY(mutex_) = 0;
  ImportResult result_ ABSL_GUARDED_BY(mutex_);
  Position position_ ABSL_GUARDED_BY(mutex_);
  // For each batch stored, its first line and its number of records: to tell
  // what stands after a failure.
  std::vector<std::pair<int64_t, int64_t>> stored_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_IMPORTER_H_
