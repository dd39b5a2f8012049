// What an import leaves beside its input: the records that were rejected, and
// until it is complete, how far it came.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_IMPORT_JOURNAL_H_
#define ENGRAM_TOOLS_ENGRAMCTL_IMPORT_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/engramctl/importer.h"

namespace engram::engramctl {

struct JournalOptions {
  // Empty if the input cannot be read again: then there is no state.
  std::string state_path;
  // Does without a state where it cannot be written.
  bool state_is_optional = false;
  std::string rejects_path;
  // Whether `rejects_path` may hold what an earlier import left.
  bool replaces_rejects = false;
  // Goes on where the state says, or from the beginning if there is none.
  bool resume = false;
  // What must be the same for a state to fit, such as the collection.
  std::string identity;
};

// Two files. Rejects: one JSON object a line with `line`, `reason` and `text`,
// the record as the input has it. State: one JSON object, replaced as a whole,
// once a second at most; what a crash leaves is then repeated under the same
// request ids, which storage answers without doing it again.
//
// Not thread-safe.
class ImportJournal {
 public:
  // `FailedPrecondition` if there is a state, or a file of rejects that may not
  // be replaced, and no `resume`; `InvalidArgument` if the state is another
  // import's.
  static absl::StatusOr<std::unique_ptr<ImportJournal>> Open(
      JournalOptions options);

  // Where the import begins.
  const ImportStart& start() const { return start_; }

  // Notes that everything up to `result.line` is stored or in `rejects`.
  absl::Status Commit(const std::vector<RejectedRecord>& rejects,
                      const ImportResult& result);

  // Saves the state, for a later `resume`.
  absl::Status Stop() { return Save(); }
  // Removes the state.
  absl::Status Complete();

  const std::string& state_path() const { return options_.state_path; }
  const std::string& rejects_path() const { return options_.rejects_path; }
  // Why there is no state to go on from; OK if there is.
  const absl::Status& resumable() const { return resumable_; }

  ~ImportJournal();

 private:
  explicit ImportJournal(JournalOptions options);

  absl::Status Begin();
  absl::Status Load(const std::string& text);
  absl::Status Save();
  absl::Status AppendRejects(const std::vector<RejectedRecord>& rejects);

  const JournalOptions options_;
  absl::Status resumable_;
  ImportStart start_;
  ImportResult result_;
  // Open once there was a reject; else -1.
  int rejects_file_ = -1;
  int64_t rejects_bytes_ = 0;
  absl::Time next_save_;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_IMPORT_JOURNAL_H_
