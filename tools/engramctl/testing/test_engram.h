#ifndef ENGRAM_TOOLS_ENGRAMCTL_TESTING_TEST_ENGRAM_H_
#define ENGRAM_TOOLS_ENGRAMCTL_TESTING_TEST_ENGRAM_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/registry.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engram/embedding/v1/admin.grpc.pb.h"
#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/grpc_status.h"

namespace engram::storage {
class StorageServer;
}  // namespace engram::storage

namespace engram::engramctl::testing {

// Answers as it is told, and keeps the last question.
class FakeSearchService : public search::v1::SearchService::Service {
 public:
  grpc::Status Query(grpc::ServerContext*,
                     const search::v1::QueryRequest* request,
                     search::v1::QueryResponse* response) override {
    last_request = *request;
    *response = answer;
    return ToGrpcStatus(status);
  }

  grpc::Status FindDuplicates(
      grpc::ServerContext*, const search::v1::FindDuplicatesRequest* request,
      search::v1::FindDuplicatesResponse* response) override {
    last_duplicates = *request;
    response->mutable_operation()->set_name("find-duplicates-1");
    response->mutable_operation()->set_state(
        common::v1::Operation::STATE_RUNNING);
    return ToGrpcStatus(status);
  }

  grpc::Status Recommend(grpc::ServerContext*,
                         const search::v1::RecommendRequest* request,
                         search::v1::RecommendResponse* response) override {
    last_recommend = *request;
    *response->mutable_response() = answer;
    return ToGrpcStatus(status);
  }

  search::v1::QueryRequest last_request;
  search::v1::FindDuplicatesRequest last_duplicates;
  search::v1::RecommendRequest last_recommend;
  search::v1::QueryResponse answer;
  absl::Status status;
};

class FakeIndexService : public search::v1::IndexService::Service {
 public:
  grpc::Status ListIndexes(grpc::ServerContext*,
                           const search::v1::ListIndexesRequest*,
                           search::v1::ListIndexesResponse* response) override {
    *response = indexes;
    return grpc::Status::OK;
  }

  // Fails with each of `waits` in turn, then succeeds.
  grpc::Status WaitForPosition(
      grpc::ServerContext*, const search::v1::WaitForPositionRequest* request,
      search::v1::WaitForPositionResponse* response) override {
    absl::MutexLock lock(&mutex);
    awaited.push_back(request->position());
    response->set_position(request->position());
    if (waits.empty()) return grpc::Status::OK;
    const absl::Status status = waits.front();
    waits.pop_front();
    return ToGrpcStatus(status);
  }

  grpc::Status VerifyIndex(grpc::ServerContext*,
                           const search::v1::VerifyIndexRequest* request,
                           search::v1::VerifyIndexResponse* response) override {
    if (request->collection() != "notes") {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such collection");
    }
    response->mutable_operation()->set_name("verify-index-1");
    response->mutable_operation()->set_state(
        common::v1::Operation::STATE_RUNNING);
    return grpc::Status::OK;
  }

  grpc::Status GetIndex(grpc::ServerContext*,
                        const search::v1::GetIndexRequest* request,
                        search::v1::GetIndexResponse* response) override {
    last_asked = *request;
    *response = index;
    return grpc::Status::OK;
  }

  grpc::Status RebuildIndex(
      grpc::ServerContext*, const search::v1::RebuildIndexRequest* request,
      search::v1::RebuildIndexResponse* response) override {
    rebuilt = request->database();
    response->mutable_operation()->set_name("rebuild-index-1");
    response->mutable_operation()->set_state(
        common::v1::Operation::STATE_RUNNING);
    return grpc::Status::OK;
  }

  search::v1::ListIndexesResponse indexes;
  search::v1::GetIndexResponse index;
  search::v1::GetIndexRequest last_asked;
  std::string rebuilt;
  absl::Mutex mutex;
  std::deque<absl::Status> waits ABSL_GUARDED_BY(mutex);
  std::vector<std::string> awaited ABSL_GUARDED_BY(mutex);
};

// Knows one operation, which ends at the second question about it.
class FakeOperationService : public search::v1::OperationService::Service {
 public:
  grpc::Status Wait(
      grpc::ServerContext*,
      const search::v1::OperationServiceWaitRequest* request,
      search::v1::OperationServiceWaitResponse* response) override {
    if (request->name() != "verify-index-1" &&
        request->name() != "rebuild-index-1" &&
        request->name() != "find-duplicates-1") {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such operation");
    }
    *response->mutable_operation() = outcome;
    if (++questions == 1) {
      response->mutable_operation()->set_state(
          common::v1::Operation::STATE_RUNNING);
    }
    return grpc::Status::OK;
  }

  common::v1::Operation outcome;
  int questions = 0;
};

class FakeEmbeddingService : public embedding::v1::EmbeddingService::Service {
 public:
  grpc::Status ListModels(
      grpc::ServerContext*, const embedding::v1::ListModelsRequest*,
      embedding::v1::ListModelsResponse* response) override {
    *response = models;
    return grpc::Status::OK;
  }

  embedding::v1::ListModelsResponse models;
};

// Answers as it is told, and keeps the last question.
class FakeEmbeddingAdminService
    : public embedding::v1::EmbeddingAdminService::Service {
 public:
  grpc::Status EstimateMigration(
      grpc::ServerContext*,
      const embedding::v1::EstimateMigrationRequest* request,
      embedding::v1::EstimateMigrationResponse* response) override {
    last_estimate = *request;
    *response = estimate;
    return grpc::Status::OK;
  }
  grpc::Status CompareGenerations(
      grpc::ServerContext*,
      const embedding::v1::CompareGenerationsRequest* request,
      embedding::v1::CompareGenerationsResponse* response) override {
    last_comparison = *request;
    *response = comparison;
    return grpc::Status::OK;
  }

  embedding::v1::EstimateMigrationRequest last_estimate;
  embedding::v1::EstimateMigrationResponse estimate;
  embedding::v1::CompareGenerationsRequest last_comparison;
  embedding::v1::CompareGenerationsResponse comparison;
};

// Real storage, which takes messages up to 1 MiB, on a folder of its own beside
// fakes of embedding and search, all at one address, as an engramd has them.
class TestEngram {
 public:
  TestEngram();
  ~TestEngram();

  const std::string& address() const { return address_; }

  // Registers a default model of two dimensions.
  void RegisterModel();

  FakeSearchService search;
  FakeIndexService indexes;
  FakeOperationService operations;
  FakeEmbeddingService embedding;
  FakeEmbeddingAdminService embedding_admin;

 private:
  engram::testing::TempDirectory directory_;
  prometheus::Registry metrics_;
  std::unique_ptr<storage::StorageServer> storage_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace engram::engramctl::testing

#endif  // ENGRAM_TOOLS_ENGRAMCTL_TESTING_TEST_ENGRAM_H_
