#ifndef ENGRAM_SERVICES_SEARCH_TESTING_SEARCH_FIXTURE_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_SEARCH_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/search/search_options.h"
#include "services/search/testing/fake_embedding_service.h"
#include "services/search/testing/storage_proxy.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::search {

class SearchServer;

namespace testing {

// The collection that there is at first.
inline constexpr char kNotes[] = R"(
collection: notes
fields:
  body: {type: text}
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

// A real search server on a real storage, with a fake model, all in this
// process. Storage has a collection `notes` with a field `body` whose text is
// embedded, compared by cosine.
class SearchTest : public ::testing::Test {
 protected:
  SearchTest();
  ~SearchTest() override;

  // Starts search and waits until it is ready.
  void StartSearch();
  // Starts search and waits for nothing.
  void StartSearchSoon();
  void WaitUntilReady();
  // Waits for what another thread does at a time of its own.
  static void WaitUntil(const std::function<bool()>& condition);
  // Stops it gracefully; the cache is saved.
  void StopSearch();
  // Starts search anew with the cache as it is on disk now: what a stop would
  // save is lost, as in a crash.
  void CrashAndRestart();

  // Writes a note and returns the position.
  std::string Write(const std::string& id, const std::string& body);
  std::string Delete(const std::string& id);
  // Gives storage the vectors of all that waits for one, of either model.
  void EmbedPending();
  // The same of one of them.
  void EmbedPending(const std::string& fingerprint);
  // The three together: writes, embeds, and waits until the index has it.
  void WriteAndIndex(const std::vector<std::string>& bodies_as_ids);
  // Waits until the index has all that storage has.
  void WaitUntilIndexed();
  // Storage's newest position of a database.
  std::string Newest(const std::string& database = "default");

  // A query for the notes nearest to a text.
  static v1::QueryRequest TextQuery(const std::string& text);
  static v1::QueryRequest VectorQuery(const std::vector<float>& values);
  static std::vector<std::string> IdsOf(const v1::QueryResponse& response);
  absl::StatusOr<v1::QueryResponse> Query(
      const v1::QueryRequest& request,
      absl::Duration timeout = absl::Seconds(20));
  absl::StatusOr<v1::RecommendResponse> Recommend(
      const v1::RecommendRequest& request);
  // The ids that a query finds; the error's text if it fails.
  std::vector<std::string> Ids(const v1::QueryRequest& request);
  // The ids nearest to a text; the error's text if it fails.
  std::vector<std::string> Find(const std::string& text);

  absl::Status WaitForPosition(const std::string& position,
                               absl::Duration timeout = absl::Seconds(20));
  std::vector<v1::Index> ListIndexes();
  absl::StatusOr<v1::VerifyIndexResult> Verify(
      const std::string& collection = "notes");
  absl::StatusOr<common::v1::Operation> Wait(const std::string& operation,
                                             absl::Duration timeout);

  // A counter or gauge of search.
  double Metric(const std::string& name) const;

  static void SetDeadline(grpc::ClientContext& context, absl::Duration timeout);

  storage::testing::TestStorage storage_;
  StorageProxy proxy_{storage_};
  FakeEmbeddingService embedding_;
  const engram::testing::TempDirectory cache_;
  // What the next start takes; the cache's directory is set by then.
  SearchOptions options_;
  std::unique_ptr<prometheus::Registry> registry_;
  std::unique_ptr<SearchServer> server_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<v1::SearchService::Stub> search_;
  std::unique_ptr<v1::IndexService::Stub> indexes_;
  std::unique_ptr<v1::OperationService::Stub> operations_;
};

}  // namespace testing
}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_SEARCH_FIXTURE_H_
