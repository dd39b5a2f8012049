#ifndef ENGRAM_TESTS_E2E_CLUSTER_H_
#define ENGRAM_TESTS_E2E_CLUSTER_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "tests/e2e/process.h"
#include "tests/e2e/process_clock.h"

namespace engram::e2e {

// The three services as processes of their own, on ports and in a directory
// that stay the same when they are started again.
class Cluster {
 public:
  enum class WithClocks { kNo, kYes };

  // `search_flags` are given to search beside those that it needs. With
  // `with_clocks` the test may set the clocks of storage and search.
  explicit Cluster(std::vector<std::string> search_flags = {},
                   WithClocks with_clocks = WithClocks::kNo);
  ~Cluster();

  // Starts all three and waits until each says over gRPC that it serves.
  void Start();

  // Kills all three at once, as a power cut would.
  void Kill();

  // Kills search alone; starts it again and waits until it serves.
  void KillSearch() { search_process_->Kill(); }
  void StartSearch();

  // Starts storage again, which was killed alone.
  void StartStorage();

  // Stops all three with SIGTERM; each must end with code 0.
  void Stop();

  // Applies a schema, retrying while its model is not registered yet.
  void ApplySchema(absl::string_view yaml);

  // Writes one text record and returns the position of the write.
  std::string Write(const std::string& collection, const std::string& id,
                    const std::string& text);

  // Waits until every record of `collection` is embedded and can be found.
  void WaitForCoverage(const std::string& collection);

  // Runs VerifyIndex to its end and returns what it found.
  search::v1::VerifyIndexResult Verify(const std::string& collection);

  // Waits until `position` can be found.
  void WaitForPosition(const std::string& position);

  // Each call gets a context of its own, with a deadline.
  static std::unique_ptr<grpc::ClientContext> Context(
      absl::Duration timeout = absl::Seconds(30));

  Process& storage_process() { return *storage_process_; }
  Process& embedding_process() { return *embedding_process_; }
  Process& search_process() { return *search_process_; }
  ProcessClock& storage_clock() { return *storage_clock_; }
  ProcessClock& search_clock() { return *search_clock_; }
  const std::string& search_address() const { return search_address_; }
  // Where search keeps the default database's cache.
  std::string CacheDirectory() const;
  // What search has logged so far.
  std::string SearchLog() const;

  storage::v1::CatalogService::Stub& catalog() { return *catalog_; }
  storage::v1::RecordService::Stub& records() { return *records_; }
  storage::v1::VectorService::Stub& vectors() { return *vectors_; }
  search::v1::SearchService::Stub& search() { return *search_; }
  search::v1::IndexService::Stub& indexes() { return *indexes_; }
  search::v1::OperationService::Stub& operations() { return *operations_; }

 private:
  void WaitUntilServing(const std::shared_ptr<grpc::Channel>& channel);

  void StartStorageProcess();
  void StartSearchProcess();

  const std::vector<std::string> search_flags_;
  std::string directory_;
  std::optional<ProcessClock> storage_clock_;
  std::optional<ProcessClock> search_clock_;
  std::string storage_address_;
  std::string embedding_address_;
  std::string search_address_;
  std::optional<Process> storage_process_;
  std::optional<Process> embedding_process_;
  std::optional<Process> search_process_;
  std::unique_ptr<storage::v1::CatalogService::Stub> catalog_;
  std::unique_ptr<storage::v1::RecordService::Stub> records_;
  std::unique_ptr<storage::v1::VectorService::Stub> vectors_;
  std::unique_ptr<search::v1::SearchService::Stub> search_;
  std::unique_ptr<search::v1::IndexService::Stub> indexes_;
  std::unique_ptr<search::v1::OperationService::Stub> operations_;
};

// Declares a collection `notes` of one embedded text field.
inline constexpr absl::string_view kNotesSchema = R"yaml(
collection: notes
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text]}
)yaml";

// Returns `words` random English words, so that texts differ in meaning.
class RandomText {
 public:
  explicit RandomText(uint64_t seed) : state_(seed) {}
  std::string operator()(int words);

  // Returns a number from 0 to `bound` - 1.
  int Below(int bound);

 private:
  uint64_t state_;
};

}  // namespace engram::e2e

#endif  // ENGRAM_TESTS_E2E_CLUSTER_H_
