#include "services/embedding/record_sample.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/status/status_macros.h"

namespace engram::embedding {
namespace {

using storage::v1::Record;
using storage::v1::RecordServiceListRequest;

constexpr int64_t kPageSize = 1000;
// A sample that is nearly the whole collection draws most of it twice; pages
// end early where records are large.
constexpr int64_t kDrawsARecord = 3;

absl::StatusOr<int64_t> CountRecords(StorageClient& storage,
                                     RecordServiceListRequest request) {
  request.set_page_size(1);
  request.set_with_total(true);
  ASSIGN_OR_RETURN(const auto response, storage.ListRecords(request));
  return response.total_size();
}

}  // namespace

absl::StatusOr<int64_t> SampleRecords(StorageClient& storage,
                                      const SampleScope& scope,
                                      int64_t max_records,
                                      StillWanted still_wanted,
                                      TakeRecords take) {
  RecordServiceListRequest request;
  request.set_database(scope.database);
  request.set_collection(scope.collection);
  // A mask without a field would be all of them.
  request.mutable_read_mask()->add_paths("id");
  ASSIGN_OR_RETURN(const int64_t total, CountRecords(storage, request));
  for (const std::string& field : scope.fields) {
    request.mutable_read_mask()->add_paths(field);
  }
  request.set_random(total > max_records);
  absl::flat_hash_set<std::string> seen;
  int64_t drawn = 0;
  while (static_cast<int64_t>(seen.size()) < std::min(total, max_records) &&
         drawn < kDrawsARecord * max_records) {
    RETURN_IF_ERROR(still_wanted());
    request.set_page_size(static_cast<int>(
        std::min(kPageSize, max_records - static_cast<int64_t>(seen.size()))));
    ASSIGN_OR_RETURN(const auto page, storage.ListRecords(request));
    std::vector<const Record*> fresh;
    for (const Record& record : page.records()) {
      if (seen.insert(record.id()).second) fresh.push_back(&record);
    }
    ASSIGN_OR_RETURN(const bool more, take(fresh));
    drawn += std::max(page.records_size(), 1);
    if (!more) break;
    if (request.random()) continue;
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  return total;
}

}  // namespace engram::embedding
