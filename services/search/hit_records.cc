#include "services/search/hit_records.h"

#include <utility>

namespace engram::search {

void ReadHitRecords(SearchBackend& backend, absl::Time deadline,
                    const DecodedQuery& query,
                    const std::vector<std::string>& ids,
                    absl::AnyInvocable<void(absl::StatusOr<HitRecords>)> done) {
  storage::v1::BatchGetRequest request = RecordsRequestOf(query);
  for (const std::string& id : ids) request.add_ids(id);
  backend.calls.Run<storage::v1::BatchGetResponse>(
      deadline, std::move(request),
      [&backend](auto&&... arguments) {
        backend.records->async()->BatchGet(
            std::forward<decltype(arguments)>(arguments)...);
      },
      [done = std::move(done)](
          absl::StatusOr<storage::v1::BatchGetResponse> answer) mutable {
        if (!answer.ok()) return done(ReadError(answer.status()));
        HitRecords records;
        for (storage::v1::Record& record : *answer->mutable_records()) {
          std::string id = record.id();
          records[std::move(id)] = std::move(record);
        }
        done(std::move(records));
      });
}

}  // namespace engram::search
