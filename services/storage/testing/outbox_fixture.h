#ifndef ENGRAM_SERVICES_STORAGE_TESTING_OUTBOX_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_OUTBOX_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/grpc_status.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage::testing {

// A real storage with a clock that stands still, and what an indexer and an
// operator ask of it. Databases have a collection `notes` whose text is
// embedded by the model `test/two`, of 2 dimensions and the fingerprint
// `two-v1`. Verbs that return no status fail the test if they fail.
class OutboxTest : public ::testing::Test {
 protected:
  OutboxTest();

  // Moves the clock, and does what is due then.
  void Advance(absl::Duration duration);

  void CreateDatabase(const std::string& name);
  void ApplySchema(const std::string& document,
                   const std::string& database = "");
  // Writes a record of `notes`.
  void Write(const std::string& id, const std::string& text,
             const std::string& database = "");

  v1::LeasePendingRequest LeaseRequest(int max_entries = 0) const;
  v1::LeasePendingResponse Lease(const v1::LeasePendingRequest& request);
  v1::LeasePendingResponse Lease(int max_entries = 0) {
    return Lease(LeaseRequest(max_entries));
  }
  // The records' ids, those of another database than the default after its name
  // and a colon.
  static std::vector<std::string> IdsOf(const v1::LeasePendingResponse& leased);
  std::vector<std::string> LeaseIds(int max_entries = 0) {
    return IdsOf(Lease(max_entries));
  }
  // Leases one entry, and answers it with one vector.
  void Embed(const std::string& id);

  v1::VectorPut PutOf(const v1::OutboxEntry& entry) const;
  v1::PutVectorsResponse Put(const v1::PutVectorsRequest& request);

  static v1::FailureReport ReportOf(const v1::OutboxEntry& entry,
                                    v1::FailureReason reason,
                                    const std::string& message);
  v1::ReportFailureResponse Report(const v1::ReportFailureRequest& request);
  v1::FailureResult Report(const v1::OutboxEntry& entry,
                           v1::FailureReason reason,
                           const std::string& message = "no");
  // Leases the entry of this record, and has it refused.
  void Refuse(const std::string& id, const std::string& message = "no");

  // Ids and messages, such as `a: too long`.
  std::vector<std::string> Failures(const v1::FailureFilter& filter = {});
  int64_t Retry(const v1::FailureFilter& filter = {});
  // Embedded, pending, failed and without text.
  std::vector<int64_t> Coverage();

  // Calls a method of VectorService.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (v1::VectorService::Stub::*method)(
                                    grpc::ClientContext*, const Request&,
                                    Response*),
                                const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status =
        (storage_.vectors().*method)(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  engram::testing::FakeClock clock_;
  TestStorage storage_{clock_};
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_OUTBOX_FIXTURE_H_
