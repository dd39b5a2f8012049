// A search server in this process, and an index without one.

#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_LOCAL_SEARCH_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_LOCAL_SEARCH_H_

#include <grpcpp/channel.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <string>

#include "engram/search/v1/index.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"
#include "services/search/search_server.h"
#include "services/search/vector_index.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/search/search_data.h"

namespace engram::benchmarks {

// An index of the rows, each a record of its number, without a graph yet.
std::unique_ptr<search::Index> MakeIndex(const SearchData& data,
                                         search::GraphPolicy policy);

// Makes a collection `points` with the rows, each a record, as vectors `v`.
void FillWithPoints(LocalStorage& storage, const SearchData& data);

// A search server as main() makes it, that follows a storage, and keeps no
// cache.
class LocalSearch {
 public:
  explicit LocalSearch(search::SearchPeers peers);
  ~LocalSearch();

  const std::string& address() const { return address_; }
  // Over TCP.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // Returns when the one index has a graph of all of `count` vectors and has
  // measured how widely it is to be searched.
  void WaitForGraph(int64_t count);

 private:
  prometheus::Registry registry_;
  std::unique_ptr<search::SearchServer> server_;
  std::unique_ptr<lifecycle::GrpcEndpoint> endpoint_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_LOCAL_SEARCH_H_
