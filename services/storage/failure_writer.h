#ifndef ENGRAM_SERVICES_STORAGE_FAILURE_WRITER_H_
#define ENGRAM_SERVICES_STORAGE_FAILURE_WRITER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// How often a text is tried that may pass later.
inline constexpr int64_t kMaxAttempts = 5;

// A text that could not be embedded, as it is reported.
struct CheckedReport {
  int64_t entry = 0;
  int64_t generation = 0;
  std::string content_hash;
  v1::FailureReason reason = v1::FAILURE_REASON_UNSPECIFIED;
  // UTF-8, shortened.
  std::string message;
};

// Mistakes are added to `violations` at `path`, such as `failures[0]`, and what
// is returned then is of no use.
CheckedReport CheckReport(const v1::FailureReport& report,
                          absl::string_view path, FieldViolations& violations);

// Makes failures of the texts that are refused for good or were tried often
// enough, with a change each, and counts an attempt of the others, which are to
// be handed out again at the result's time. One whose entry is gone, or of
// another text, is dropped. Returns one result a report in `results`.
absl::Status WriteFailures(WriteTransaction& transaction,
                           const Catalog& catalog,
                           const std::vector<CheckedReport>& reports,
                           std::vector<v1::FailureResult>* results);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FAILURE_WRITER_H_
