#ifndef ENGRAM_SERVICES_EMBEDDING_RECORD_SAMPLE_H_
#define ENGRAM_SERVICES_EMBEDDING_RECORD_SAMPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/storage/v1/record.pb.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// Which records are sampled, and what is read of them beside their ids.
struct SampleScope {
  std::string database;
  std::string collection;
  std::vector<std::string> fields;
};

// Takes some records of a sample; returns whether it wants more.
using TakeRecords = absl::FunctionRef<absl::StatusOr<bool>(
    absl::Span<const storage::v1::Record* const>)>;

// OK, or the error that a long call should end with because nobody waits for
// it.
using StillWanted = absl::FunctionRef<absl::Status()>;

// Gives `take` records of the collection, none of them twice: all that there
// are if these are at most `max_records`, else about so many by chance. Returns
// how many there are. Ends with the first error, of storage, of `take`, or of
// `still_wanted`, which is asked for each page.
absl::StatusOr<int64_t> SampleRecords(StorageClient& storage,
                                      const SampleScope& scope,
                                      int64_t max_records,
                                      StillWanted still_wanted,
                                      TakeRecords take);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_RECORD_SAMPLE_H_
