#ifndef ENGRAM_SERVICES_STORAGE_WHERE_PROGRESS_H_
#define ENGRAM_SERVICES_STORAGE_WHERE_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::storage {

// How far a change of many records has come: what a repeat goes on from, and in
// the end what it answers.
struct WhereProgress {
  // The last row that was dealt with.
  int64_t after = 0;
  // The last row there is, of those that the change is about: records that are
  // created while it runs are not.
  int64_t through = 0;
  // What `now` means.
  int64_t now_us = 0;
  int64_t matched = 0;
  // Updated or deleted.
  int64_t changed = 0;
  int64_t cascaded = 0;
  int64_t skipped = 0;
  bool finished = false;
  // Of the last change.
  std::string position;

  // The form in which the request log keeps it. Stored: a later version must
  // read it for a day.
  std::string Serialize() const;
  // `DataLoss` if Serialize did not make `text`.
  static absl::StatusOr<WhereProgress> Parse(absl::string_view text);

  friend bool operator==(const WhereProgress&, const WhereProgress&) = default;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WHERE_PROGRESS_H_
