// How fast graphs are searched and built, against other engines in the same
// process: see README.md.
//
//   hnsw_benchmark <count> <dimensions> [<peer.so>...]

#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/hnsw/graph_search.h"
#include "libs/hnsw/rerank.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/graph_peer.h"
#include "tests/benchmarks/search/search_data.h"

namespace engram::benchmarks {
namespace {

constexpr int kLimit = 10;
constexpr int kQueries = 1000;
constexpr int kRounds = 7;

// How many seconds of processor time, of all threads, `work` took: what else
// the machine does lengthens the time on the clock, but hardly this.
double Seconds(absl::FunctionRef<void()> work) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double start = now();
  work();
  return now() - start;
}

// What is measured: an engine that has built its index over the data.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string name() const = 0;
  virtual void Search(const float* query, int width, uint32_t* found) = 0;

  double build_seconds = 0;
};

class Ours : public Engine {
 public:
  Ours(const SearchData& data, int threads) : data_(data) {
    build_seconds = Seconds([&] {
      codes_ = std::make_unique<hnsw::CodeTable>(
          data.rows.data(), data.count, data.dimensions, hnsw::Metric::kDot);
      graph_ = std::make_shared<const hnsw::Graph>(
          *hnsw::BuildGraph(codes_->view(), {.threads = threads}));
    });
    view_ = codes_->view();
  }

  // Returns the same graph with codes of 4 bits.
  std::unique_ptr<Ours> Narrow() const {
    auto codes =
        std::make_unique<hnsw::CodeTable>(hnsw::CodeTable::Narrow(view_));
    return std::unique_ptr<Ours>(new Ours(data_, std::move(codes), graph_));
  }

  std::string name() const override {
    return absl::StrCat(view_.range.bits, " bits");
  }

  void Search(const float* query, int width, uint32_t* found) override {
    const auto values = absl::MakeSpan(query, data_.dimensions);
    const hnsw::EncodedQuery encoded(values, view_.range, view_.metric);
    const int limit = std::max(kLimit, std::min(width, hnsw::kUsualRerank));
    hnsw::SearchGraph(*graph_, view_, encoded, {.limit = limit, .width = width},
                      scratch_, result_);
    hnsw::Rerank(values, data_.rows.data(), view_.metric, result_.nodes);
    for (int i = 0; i < kLimit; ++i) found[i] = result_.nodes[i].node;
  }

  double bytes_a_vector() const {
    return static_cast<double>(codes_->memory_bytes() +
                               graph_->memory_bytes()) /
           static_cast<double>(data_.count);
  }

 private:
  Ours(const SearchData& data, std::unique_ptr<hnsw::CodeTable> codes,
       std::shared_ptr<const hnsw::Graph> graph)
      : data_(data),
        codes_(std::move(codes)),
        view_(codes_->view()),
        graph_(std::move(graph)) {}

  const SearchData& data_;
  std::unique_ptr<hnsw::CodeTable> codes_;
  hnsw::CodeView view_;
  std::shared_ptr<const hnsw::Graph> graph_;
  hnsw::SearchScratch scratch_;
  hnsw::GraphSearchResult result_;
};

class Peer : public Engine {
 public:
  Peer(const std::string& path, const SearchData& data, int threads) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* get =
        library == nullptr ? nullptr : dlsym(library, "engram_graph_peer");
    if (get == nullptr) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), dlerror());
      std::exit(1);
    }
    peer_ = reinterpret_cast<decltype(&engram_graph_peer)>(get)();
    build_seconds = Seconds([&] {
      index_ =
          peer_->build(data.rows.data(), data.count, data.dimensions, threads);
    });
  }
  ~Peer() override { peer_->free(index_); }

  std::string name() const override { return peer_->name; }

  void Search(const float* query, int width, uint32_t* found) override {
    peer_->search(index_, query, kLimit, width, found);
  }

 private:
  const EngramGraphPeer* peer_ = nullptr;
  void* index_ = nullptr;
};

double QueriesPerSecond(const SearchData& data, Engine& engine, int width,
                        std::vector<uint32_t>& found) {
  found.resize(data.queries * kLimit);
  const double seconds = Seconds([&] {
    for (int64_t q = 0; q < data.queries; ++q) {
      engine.Search(&data.query_rows[q * data.dimensions], width,
                    &found[q * kLimit]);
    }
  });
  return static_cast<double>(data.queries) / seconds;
}

// Returns the least width, in steps of a tenth, that reaches `recall`; 0 if
// none does.
int WidthFor(const SearchData& data, Engine& engine, double recall) {
  std::vector<uint32_t> found;
  for (int width = kLimit; width < 4000; width += std::max(1, width / 10)) {
    QueriesPerSecond(data, engine, width, found);
    if (RecallOf(data, found) >= recall) return width;
  }
  return 0;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Both, alternately, at the widths at which each reaches the recall.
void Compare(const SearchData& data, absl::string_view what, double recall,
             Engine& ours, Engine& theirs, absl::string_view goal) {
  const int our_width = WidthFor(data, ours, recall);
  const int their_width = WidthFor(data, theirs, recall);
  if (our_width == 0 || their_width == 0) {
    PrintRow(what, absl::StrCat("width ", our_width),
             absl::StrCat("width ", their_width), "not reached", goal);
    return;
  }
  std::vector<double> our_rates, their_rates, ratios;
  std::vector<uint32_t> found;
  for (int round = 0; round < kRounds; ++round) {
    our_rates.push_back(QueriesPerSecond(data, ours, our_width, found));
    their_rates.push_back(QueriesPerSecond(data, theirs, their_width, found));
    ratios.push_back(our_rates.back() / their_rates.back());
  }
  PrintRow(
      absl::StrCat(what, ", recall ", recall, ", against ", theirs.name()),
      absl::StrCat(Rounded(Median(our_rates)), "/s, width ", our_width),
      absl::StrCat(Rounded(Median(their_rates)), "/s, width ", their_width),
      absl::StrCat(Rounded(Median(ratios), "%.2f"), " x"), goal);
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s <count> <dimensions> [<peer.so>...]\n",
                 argv[0]);
    return 1;
  }
  const int64_t count = std::atoll(argv[1]);
  const int dimensions = std::atoi(argv[2]);
  const int threads = 2;
  const std::string what = absl::StrCat(count, " x ", dimensions);
  const SearchData data =
      MakeClusteredData(count, dimensions, kQueries, kLimit);
  Ours ours(data, threads);
  PrintRow(absl::StrCat(what, ", bytes a vector, codes and graph"),
           Rounded(ours.bytes_a_vector()), "", "", "");
  PrintRow(absl::StrCat(what, ", build"), Rounded(ours.build_seconds, "%.1f s"),
           "", "", "");
  if (argc == 3) {
    const std::unique_ptr<Ours> narrow = ours.Narrow();
    PrintRow(absl::StrCat(what, ", bytes a vector with codes of 4 bits"),
             Rounded(narrow->bytes_a_vector()), "", "", "");
    for (double recall : {0.95, 0.99}) {
      Compare(data, absl::StrCat(what, ", 4 bits"), recall, *narrow, ours,
              dimensions == 384 ? ">= 1.1 x" : "");
    }
    std::vector<uint32_t> found;
    for (double recall : {0.9, 0.95, 0.99}) {
      const int width = WidthFor(data, ours, recall);
      std::vector<double> rates(kRounds);
      for (double& rate : rates) {
        rate = QueriesPerSecond(data, ours, width, found);
      }
      PrintRow(absl::StrCat(what, ", recall ", recall),
               absl::StrCat(Rounded(Median(rates)), "/s, width ", width), "",
               Rounded(RecallOf(data, found), "%.4f"), "");
    }
  }
  for (int i = 3; i < argc; ++i) {
    Peer peer(argv[i], data, threads);
    PrintRow(
        absl::StrCat(what, ", build, against ", peer.name()),
        Rounded(ours.build_seconds, "%.1f s"),
        Rounded(peer.build_seconds, "%.1f s"),
        absl::StrCat(Rounded(peer.build_seconds / ours.build_seconds, "%.1f"),
                     " x"),
        ">= 5 x");
    Compare(data, what, 0.95, ours, peer, ">= 3 x");
    Compare(data, what, 0.99, ours, peer, ">= 3 x");
  }
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
