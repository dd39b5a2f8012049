// Jobs as messages.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_VIEW_H_
#define ENGRAM_SERVICES_STORAGE_JOB_VIEW_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engram/storage/v1/job.pb.h"
#include "services/storage/job_table.h"

namespace engram::storage {

// A job with all that a worker, or Get, is told of it.
struct JobView {
  JobRow row;
  // In a list without its payload.
  JobSpecRow spec;
  std::string queue;
  // Newest first.
  std::vector<JobFailureRow> failures;
  // google.protobuf.Struct; nothing if it has none.
  std::optional<std::string> result;
};

// About as many bytes as the job's message has, rather more than fewer.
int64_t MessageBytes(const JobView& job);

// `DataLoss` if payload or result cannot be read.
absl::Status EncodeJob(const JobView& job, v1::Job* out);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_VIEW_H_
