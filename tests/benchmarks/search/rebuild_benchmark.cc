// How long search takes to read a database anew, against building the graph
// alone, and what queries notice of it: see README.md.
//
//   rebuild_benchmark <count> <dimensions>
//
// Storage, search and the client share a process.

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "engram/common/v1/operation.pb.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/vector/vector.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/local_search.h"
#include "tests/benchmarks/search/search_data.h"
#include "tests/benchmarks/search/timing.h"

namespace engram::benchmarks {
namespace {

using common::v1::Operation;
using search::v1::IndexService;
using search::v1::OperationService;
using search::v1::SearchService;

constexpr int kQueries = 1000;
constexpr int kLimit = 10;
constexpr absl::Duration kIdleTime = absl::Seconds(5);

// One client, which asks one query after the other until it is stopped.
class QueryThread {
 public:
  QueryThread(const std::shared_ptr<grpc::Channel>& channel,
              const SearchData& data)
      : stub_(SearchService::NewStub(channel)), begin_(absl::Now()) {
    for (int64_t i = 0; i < data.queries; ++i) {
      search::v1::QueryRequest& query = queries_.emplace_back();
      query.set_collection("points");
      query.set_limit(kLimit);
      query.mutable_vector()->set_values(std::string(
          vector::Pack(absl::MakeSpan(data.query_rows)
                           .subspan(i * data.dimensions, data.dimensions))));
    }
    thread_ = std::thread([this] { Run(); });
  }
  ~QueryThread() {
    if (thread_.joinable()) Stop();
  }

  // Ends it, and returns how many queries a second there were.
  double Stop() {
    stopped_ = true;
    thread_.join();
    return static_cast<double>(done_) /
           absl::ToDoubleSeconds(absl::Now() - begin_);
  }

 private:
  void Run() {
    while (!stopped_) {
      grpc::ClientContext context;
      search::v1::QueryResponse response;
      CheckOk(
          stub_->Query(&context, queries_[done_ % queries_.size()], &response));
      if (response.hits_size() != kLimit) {
        CheckOk(absl::InternalError("a query found too little"));
      }
      ++done_;
    }
  }

  const std::unique_ptr<SearchService::Stub> stub_;
  std::vector<search::v1::QueryRequest> queries_;
  const absl::Time begin_;
  std::atomic<bool> stopped_ = false;
  int64_t done_ = 0;
  std::thread thread_;
};

void Rebuild(const std::shared_ptr<grpc::Channel>& channel) {
  const auto indexes = IndexService::NewStub(channel);
  const auto operations = OperationService::NewStub(channel);
  search::v1::RebuildIndexResponse started;
  {
    grpc::ClientContext context;
    CheckOk(indexes->RebuildIndex(&context, {}, &started));
  }
  search::v1::OperationServiceWaitRequest request;
  request.set_name(started.operation().name());
  search::v1::OperationServiceWaitResponse response;
  do {
    grpc::ClientContext context;
    CheckOk(operations->Wait(&context, request, &response));
  } while (response.operation().state() == Operation::STATE_RUNNING);
  if (response.operation().state() != Operation::STATE_SUCCEEDED) {
    CheckOk(absl::InternalError(response.operation().error().message()));
  }
}

std::string Seconds(double seconds) { return Rounded(seconds, "%.1f s"); }

std::string Times(double ratio) {
  return absl::StrCat(Rounded(ratio, "%.2f"), " x");
}

// The graph, from vectors that are in memory, as an index builds it.
double BuildAlone(const SearchData& data) {
  const auto index = MakeIndex(data, {});
  return ClockSeconds(
      [&] { index->Optimize(/*threads=*/2, [] { return true; }); });
}

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: rebuild_benchmark <count> <dimensions>\n");
    return 2;
  }
  const int64_t count = std::atoll(argv[1]);
  const SearchData data =
      MakeClusteredData(count, std::atoi(argv[2]), kQueries, kLimit);
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  FillWithPoints(storage, data);
  // Nothing is embedded; any channel will do.
  LocalSearch search({storage.InProcessChannel(), storage.InProcessChannel()});
  search.WaitForGraph(count);
  std::fprintf(stderr, "filled\n");

  const std::string what =
      absl::StrCat(count, " x ", data.dimensions, ", rebuild");
  const double alone = BuildAlone(data);
  const double rebuild = ClockSeconds([&] { Rebuild(search.channel()); });
  PrintRow(absl::StrCat(what, ", no queries, against the build alone"),
           Seconds(rebuild), Seconds(alone), Times(rebuild / alone),
           "<= 1.3 x");
  QueryThread idle_queries(search.channel(), data);
  absl::SleepFor(kIdleTime);
  const double idle = idle_queries.Stop();
  QueryThread queries(search.channel(), data);
  const double with_queries = ClockSeconds([&] { Rebuild(search.channel()); });
  const double busy = queries.Stop();
  PrintRow(absl::StrCat(what, ", one query thread, against the build alone"),
           Seconds(with_queries), Seconds(alone), Times(with_queries / alone),
           "<= 2 x");
  PrintRow("its queries meanwhile, against idle",
           absl::StrCat(Rounded(busy), "/s"), absl::StrCat(Rounded(idle), "/s"),
           absl::StrCat(Rounded(100 * busy / idle), " %"), ">= 40 %");
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
