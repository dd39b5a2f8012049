// What queries cost on top of the search itself: over gRPC, one a call and 64 a
// call, against the library on all cores and an empty call of the same server.
// README.md has the command and results.
//
//   query_benchmark [vectors] [dimensions]
//
// All in one process, clients too. Search finds out by itself how wide to
// search, and the library searches as widely as it does. Results go to standard
// output as rows of a Markdown table.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/vector/vector.h"
#include "services/search/index.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/local_search.h"
#include "tests/benchmarks/search/search_data.h"
#include "tests/benchmarks/search/timing.h"

namespace engram::benchmarks {
namespace {

constexpr int kRounds = 5;
constexpr absl::Duration kRoundTime = absl::Seconds(2);
constexpr int kQueries = 1000;
constexpr int kLimit = 10;
constexpr int kChannels = 8;
// Calls under way at once.
constexpr int kUnaryClients = 64;
constexpr int kBatchClients = 8;
constexpr int kBatch = 64;

int Threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

absl::Span<const float> RowOf(const std::vector<float>& rows, int dimensions,
                              int64_t row) {
  return absl::MakeSpan(rows).subspan(row * dimensions, dimensions);
}

// The connections of some clients of a search server.
class Clients {
 public:
  explicit Clients(const std::string& address) {
    for (int i = 0; i < kChannels; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("engram.benchmark.connection", i);
      const auto channel = grpc::CreateCustomChannel(
          address, grpc::InsecureChannelCredentials(), arguments);
      stubs_.push_back(search::v1::SearchService::NewStub(channel));
      health_.push_back(grpc::health::v1::Health::NewStub(channel));
    }
  }

  void Query(int call, std::shared_ptr<search::v1::QueryRequest> request,
             std::function<void()> done) {
    Run<search::v1::QueryResponse>(
        std::move(request), std::move(done), [&](auto&&... arguments) {
          stubs_[call % kChannels]->async()->Query(
              std::forward<decltype(arguments)>(arguments)...);
        });
  }
  void BatchQuery(int call,
                  std::shared_ptr<search::v1::BatchQueryRequest> request,
                  std::function<void()> done) {
    Run<search::v1::BatchQueryResponse>(
        std::move(request), std::move(done), [&](auto&&... arguments) {
          stubs_[call % kChannels]->async()->BatchQuery(
              std::forward<decltype(arguments)>(arguments)...);
        });
  }
  // How widely the server searches for such a query now.
  int WidthOf(search::v1::QueryRequest request) {
    request.set_explain(true);
    grpc::ClientContext context;
    search::v1::QueryResponse response;
    CheckOk(stubs_[0]->Query(&context, request, &response));
    return response.explanation().width();
  }
  void Echo(int call, std::function<void()> done) {
    Run<grpc::health::v1::HealthCheckResponse>(
        std::make_shared<grpc::health::v1::HealthCheckRequest>(),
        std::move(done), [&](auto&&... arguments) {
          health_[call % kChannels]->async()->Check(
              std::forward<decltype(arguments)>(arguments)...);
        });
  }

 private:
  static void CheckAnswer(const search::v1::QueryResponse& response) {
    if (response.hits_size() == kLimit) return;
    CheckOk(absl::InternalError("a query found too little"));
  }
  static void CheckAnswer(const search::v1::BatchQueryResponse& response) {
    for (const auto& answer : response.answers()) {
      CheckAnswer(answer.response());
    }
  }
  static void CheckAnswer(const grpc::health::v1::HealthCheckResponse&) {}

  template <typename Response, typename Request, typename Start>
  static void Run(std::shared_ptr<Request> request, std::function<void()> done,
                  Start start) {
    struct Call {
      grpc::ClientContext context;
      std::shared_ptr<Request> request;
      Response response;
    };
    auto call = std::make_shared<Call>();
    call->request = std::move(request);
    start(&call->context, call->request.get(), &call->response,
          [call, done = std::move(done)](const grpc::Status& status) {
            CheckOk(status);
            CheckAnswer(call->response);
            done();
          });
  }

  std::vector<std::unique_ptr<search::v1::SearchService::Stub>> stubs_;
  std::vector<std::unique_ptr<grpc::health::v1::Health::Stub>> health_;
};

// What calls came to.
struct Rate {
  double per_second = 0;
  // Of one, all threads together, clients' too.
  double processor_seconds = 0;
};

// `run` returns how many calls a second it made in kRoundTime.
Rate Measured(absl::FunctionRef<double()> run) {
  Rate rate;
  double clock_seconds = 0;
  const double processor_seconds = ProcessorSeconds(
      [&] { clock_seconds = ClockSeconds([&] { rate.per_second = run(); }); });
  rate.processor_seconds =
      processor_seconds / (rate.per_second * clock_seconds);
  return rate;
}

using Rates = std::vector<Rate>;

double MedianOf(const Rates& rates, double Rate::*number) {
  std::vector<double> numbers;
  numbers.reserve(rates.size());
  for (const Rate& rate : rates) numbers.push_back(rate.*number);
  return Median(std::move(numbers));
}

std::string PerSecond(const Rates& rates) {
  return absl::StrCat(Rounded(MedianOf(rates, &Rate::per_second)), "/s");
}

std::string Microseconds(const Rates& rates) {
  return absl::StrCat(Rounded(1e6 * MedianOf(rates, &Rate::processor_seconds)),
                      " us");
}

// The target for which `index` searches as widely as that.
double TargetOfWidth(const search::Index& index, const SearchData& data,
                     int width) {
  double low = 0.5;
  double high = 0.999;
  for (int i = 0; i < 30; ++i) {
    const double middle = (low + high) / 2;
    const search::SearchResult found =
        index.Search(RowOf(data.query_rows, data.dimensions, 0), kLimit,
                     search::AnyRow, {.target_recall = middle});
    // 0 is a scan, for which it would have to be wider.
    const bool is_narrower = found.cost.width > 0 && found.cost.width < width;
    (is_narrower ? low : high) = middle;
  }
  return high;
}

// Searches a second of the library, on all cores.
double LibraryRate(const search::Index& index, const SearchData& data,
                   double target_recall) {
  std::atomic<int64_t> searches = 0;
  const absl::Time begin = absl::Now();
  const absl::Time end = begin + kRoundTime;
  std::vector<std::thread> threads;
  threads.reserve(Threads());
  for (int thread = 0; thread < Threads(); ++thread) {
    threads.emplace_back([&, thread] {
      int64_t done = 0;
      while (done % 64 != 0 || absl::Now() < end) {
        const int64_t query = (thread * 500 + done) % kQueries;
        const search::SearchResult found =
            index.Search(RowOf(data.query_rows, data.dimensions, query), kLimit,
                         search::AnyRow, {.target_recall = target_recall});
        if (found.candidates.size() != kLimit) std::abort();
        ++done;
      }
      searches += done;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(searches) /
         absl::ToDoubleSeconds(absl::Now() - begin);
}

std::vector<search::v1::QueryRequest> MakeQueries(const SearchData& data) {
  std::vector<search::v1::QueryRequest> queries(kQueries);
  for (int64_t i = 0; i < kQueries; ++i) {
    queries[i].set_collection("points");
    queries[i].set_limit(kLimit);
    queries[i].mutable_vector()->set_values(
        std::string(vector::Pack(RowOf(data.query_rows, data.dimensions, i))));
  }
  return queries;
}

std::vector<std::shared_ptr<search::v1::BatchQueryRequest>> MakeBatches(
    const std::vector<search::v1::QueryRequest>& queries) {
  std::vector<std::shared_ptr<search::v1::BatchQueryRequest>> batches;
  for (size_t i = 0; i + kBatch <= queries.size(); i += kBatch) {
    auto batch = std::make_shared<search::v1::BatchQueryRequest>();
    for (size_t j = i; j < i + kBatch; ++j) *batch->add_queries() = queries[j];
    batches.push_back(std::move(batch));
  }
  return batches;
}

void Measure(int64_t count, int dimensions) {
  const SearchData data =
      MakeClusteredData(count, dimensions, kQueries, kLimit);
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  FillWithPoints(storage, data);
  // Nothing is embedded; any channel will do.
  LocalSearch server({storage.InProcessChannel(), storage.InProcessChannel()});
  Clients search(server.address());
  const std::unique_ptr<search::Index> index = MakeIndex(data, {});
  index->Optimize(Threads(), [] { return true; });
  server.WaitForGraph(count);

  std::vector<std::shared_ptr<search::v1::QueryRequest>> queries;
  const std::vector<search::v1::QueryRequest> made = MakeQueries(data);
  queries.reserve(made.size());
  for (const auto& query : made) {
    queries.push_back(std::make_shared<search::v1::QueryRequest>(query));
  }
  const auto batches = MakeBatches(made);
  const auto rate = [](int clients, StartCall start) {
    return Measured([&] {
      return RunLoad(clients, {.duration = kRoundTime}, std::move(start))
          .calls_per_second;
    });
  };
  Rates library, echo, unary, batch;
  std::vector<double> widths;
  for (int round = 0; round < kRounds; ++round) {
    const int width = search.WidthOf(made[0]);
    const double target = TargetOfWidth(*index, data, width);
    widths.push_back(width);
    library.push_back(
        Measured([&] { return LibraryRate(*index, data, target); }));
    echo.push_back(rate(kUnaryClients, [&](int call, auto done) {
      search.Echo(call, std::move(done));
    }));
    unary.push_back(rate(kUnaryClients, [&](int call, auto done) {
      search.Query(call, queries[call % kQueries], std::move(done));
    }));
    batch.push_back(rate(kBatchClients, [&](int call, auto done) {
      search.BatchQuery(call, batches[call % batches.size()], std::move(done));
    }));
    batch.back().per_second *= kBatch;
    batch.back().processor_seconds /= kBatch;
  }
  const std::string size = absl::StrCat(count, " x ", dimensions, ", ");
  const std::string goal = ">= 85 % of 1 / (1/echo + 1/library)";
  const std::string batch_goal = ">= 60 % of the library";
  std::vector<double> shares, processor_shares, batch_shares,
      batch_processor_shares;
  for (int round = 0; round < kRounds; ++round) {
    shares.push_back(unary[round].per_second * (1 / echo[round].per_second +
                                                1 / library[round].per_second));
    processor_shares.push_back(
        (echo[round].processor_seconds + library[round].processor_seconds) /
        unary[round].processor_seconds);
    batch_shares.push_back(batch[round].per_second / library[round].per_second);
    batch_processor_shares.push_back(library[round].processor_seconds /
                                     batch[round].processor_seconds);
  }
  const std::string width =
      absl::StrCat(", ", Rounded(Median(widths)), " wide");
  PrintRow(absl::StrCat(size, "Query"), PerSecond(unary),
           absl::StrCat("library ", PerSecond(library), width, ", echo ",
                        PerSecond(echo)),
           absl::StrCat(Rounded(100 * Median(shares)), " %"), goal);
  PrintRow("the same, processor time of a call", Microseconds(unary),
           absl::StrCat("library ", Microseconds(library), ", echo ",
                        Microseconds(echo)),
           absl::StrCat(Rounded(100 * Median(processor_shares)), " %"), goal);
  PrintRow(absl::StrCat(size, "BatchQuery of 64"), PerSecond(batch),
           absl::StrCat("library ", PerSecond(library)),
           absl::StrCat(Rounded(100 * Median(batch_shares)), " %"), batch_goal);
  PrintRow("the same, processor time of a query", Microseconds(batch),
           absl::StrCat("library ", Microseconds(library)),
           absl::StrCat(Rounded(100 * Median(batch_processor_shares)), " %"),
           batch_goal);
}

int Main(int argc, char** argv) {
  int64_t count = 200'000;
  int dimensions = 128;
  if ((argc > 1 && !absl::SimpleAtoi(argv[1], &count)) ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &dimensions))) {
    std::fprintf(stderr, "usage: query_benchmark [vectors] [dimensions]\n");
    return 1;
  }
  Measure(count, dimensions);
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
