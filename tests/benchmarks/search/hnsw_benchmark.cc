// How fast graphs are searched and built, against other engines in the same
// process: see README.md.
//
//   hnsw_benchmark <data> [--keep=<folder>] [<peer.so>...]
//
// The data are `<count>x<dimensions>` clustered vectors, or those of a file's
// lines. Peers are compared with the codes that an index would have. Without
// peers, codes of 4 bits are compared with those of 8. What peers build is kept
// in the folder, for the next run over the same data.

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
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
#include "tests/benchmarks/search/text_data.h"
#include "tests/benchmarks/search/timing.h"

namespace engram::benchmarks {
namespace {

constexpr int kLimit = 10;
constexpr int kQueries = 1000;
constexpr int kRounds = 7;
constexpr int kThreads = 2;
// Wider searches are not tried.
constexpr int kWidest = 1000;
// Widths at which graphs are compared, for what their builds are worth.
constexpr int kCurve[] = {20, 50, 100, 200};

// What is asked of ours, by the beginning of a peer's name.
struct Goal {
  const char* peer;
  const char* search;
  const char* build;
};
constexpr Goal kGoals[] = {{"hnswlib", ">= 3 x", ">= 5 x"},
                           {"faiss-cpu", ">= 3 x", ">= 5 x"},
                           {"usearch", ">= 6 x", ""},
                           {"pyglass", ">= 1.6 x", ">= 1.5 x"},
                           {"SymphonyQG", ">= 1.2 x", ""}};

Goal GoalFor(absl::string_view peer) {
  for (const Goal& goal : kGoals) {
    if (absl::StartsWith(peer, goal.peer)) return goal;
  }
  return {"", "", ""};
}

// What is measured: an engine that has built its index over the data.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string name() const = 0;
  virtual void Search(const float* query, int width, uint32_t* found) = 0;

  // The widths for recalls that were asked for; see WidthFor.
  std::map<double, int> widths;
  // Unless it was built by an earlier run.
  std::optional<double> build_seconds;
};

class Ours : public Engine {
 public:
  explicit Ours(const SearchData& data) : data_(data) {
    build_seconds = ProcessorSeconds([&] {
      codes_ = std::make_unique<hnsw::CodeTable>(
          data.rows.data(), data.count, data.dimensions, hnsw::Metric::kDot);
      graph_ = std::make_shared<const hnsw::Graph>(
          *hnsw::BuildGraph(codes_->view(), {.threads = kThreads}));
    });
    view_ = codes_->view();
  }

  // Returns the same graph with codes of 4 bits.
  std::unique_ptr<Ours> Narrow() const {
    std::unique_ptr<hnsw::CodeTable> codes;
    const double seconds = ProcessorSeconds([&] {
      codes = std::make_unique<hnsw::CodeTable>(hnsw::CodeTable::Narrow(view_));
    });
    std::unique_ptr<Ours> narrow(new Ours(data_, std::move(codes), graph_));
    narrow->build_seconds = *build_seconds + seconds;
    return narrow;
  }

  std::string name() const override {
    return absl::StrCat("ours of ", view_.range.bits, " bits");
  }

  void Search(const float* query, int width, uint32_t* found) override {
    const auto values = absl::MakeSpan(query, data_.dimensions);
    const hnsw::EncodedQuery encoded(values, view_.range, view_.metric);
    // Of wide walks more: the codes of texts' vectors leave more in doubt.
    const int limit =
        std::max({kLimit, std::min(width, hnsw::kUsualRerank), width / 2});
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
  // `prefix` is of the file that its graph is taken from, or kept in.
  Peer(const std::string& path, const SearchData& data,
       const std::string& prefix)
      : vectors_{data.rows.data(), data.count, data.dimensions} {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* get =
        library == nullptr ? nullptr : dlsym(library, "engram_graph_peer");
    if (get == nullptr) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), dlerror());
      std::exit(1);
    }
    peer_ = reinterpret_cast<decltype(&engram_graph_peer)>(get)();
    if (prefix.empty()) {
      Build();
      return;
    }
    const std::string kept = absl::StrCat(prefix, peer_->graph);
    if (std::filesystem::exists(kept)) {
      index_ = peer_->load(&vectors_, kept.c_str());
      return;
    }
    Build();
    peer_->save(index_, kept.c_str());
  }
  ~Peer() override { peer_->free(index_); }

  std::string name() const override { return peer_->name; }

  void Search(const float* query, int width, uint32_t* found) override {
    peer_->search(index_, query, kLimit, width, found);
  }

 private:
  void Build() {
    build_seconds =
        ProcessorSeconds([&] { index_ = peer_->build(&vectors_, kThreads); });
  }

  const EngramPeerVectors vectors_;
  const EngramGraphPeer* peer_ = nullptr;
  void* index_ = nullptr;
};

double QueriesPerSecond(const SearchData& data, Engine& engine, int width,
                        std::vector<uint32_t>& found) {
  found.resize(data.queries * kLimit);
  const double seconds = ProcessorSeconds([&] {
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
  const auto [known, is_new] = engine.widths.try_emplace(recall, 0);
  if (!is_new) return known->second;
  std::vector<uint32_t> found;
  for (int width = kLimit; width <= kWidest; width += std::max(1, width / 10)) {
    QueriesPerSecond(data, engine, width, found);
    if (RecallOf(data, found) < recall) continue;
    known->second = width;
    break;
  }
  return known->second;
}

// Both, alternately, at the widths at which each reaches the recall.
void Compare(const SearchData& data, absl::string_view what, double recall,
             Engine& ours, Engine& theirs, absl::string_view goal) {
  const int our_width = WidthFor(data, ours, recall);
  const int their_width = WidthFor(data, theirs, recall);
  if (our_width == 0 || their_width == 0) {
    const auto text = [](int width) {
      return width == 0 ? "not reached" : absl::StrCat("width ", width);
    };
    PrintRow(
        absl::StrCat(what, ", recall ", recall, ", against ", theirs.name()),
        text(our_width), text(their_width), "", goal);
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

// Returns the share of the nearest that is missed, on average over kCurve.
double Missed(const SearchData& data, Engine& engine) {
  double missed = 0;
  std::vector<uint32_t> found;
  for (const int width : kCurve) {
    QueriesPerSecond(data, engine, width, found);
    missed += 1 - RecallOf(data, found);
  }
  return missed / std::size(kCurve);
}

// Whether an index would take the codes of 4 bits: as vector_index_recall.cc
// decides, though by other queries, and for the nearest 10 alone.
bool TakesNarrow(const SearchData& data, Ours& narrow, Ours& ours) {
  constexpr int kFewestDimensions = 256;
  return data.dimensions >= kFewestDimensions &&
         Missed(data, narrow) <= 1.1 * Missed(data, ours) + 0.002;
}

// Prints how much each finds at the same widths.
void PrintCurve(const SearchData& data, absl::string_view what,
                Engine& engine) {
  std::string recalls;
  std::vector<uint32_t> found;
  for (const int width : kCurve) {
    QueriesPerSecond(data, engine, width, found);
    absl::StrAppend(&recalls, recalls.empty() ? "" : ", ",
                    Rounded(RecallOf(data, found), "%.4f"));
  }
  PrintRow(absl::StrCat(what, ", recall at widths 20, 50, 100, 200, ",
                        engine.name()),
           recalls, "", "", "");
}

void MeasureOurs(const SearchData& data, absl::string_view what, Ours& ours) {
  PrintRow(absl::StrCat(what, ", bytes a vector, codes and graph"),
           Rounded(ours.bytes_a_vector()), "", "", "");
  PrintRow(absl::StrCat(what, ", build"),
           Rounded(*ours.build_seconds, "%.1f s"), "", "", "");
  PrintCurve(data, what, ours);
  std::vector<uint32_t> found;
  for (const double recall : {0.9, 0.95, 0.99}) {
    const int width = WidthFor(data, ours, recall);
    if (width == 0) continue;
    std::vector<double> rates(kRounds);
    for (double& rate : rates) {
      rate = QueriesPerSecond(data, ours, width, found);
    }
    PrintRow(absl::StrCat(what, ", recall ", recall),
             absl::StrCat(Rounded(Median(rates)), "/s, width ", width), "",
             Rounded(RecallOf(data, found), "%.4f"), "");
  }
}

void MeasureNarrow(const SearchData& data, absl::string_view what, Ours& narrow,
                   Ours& ours) {
  PrintRow(absl::StrCat(what, ", bytes a vector with codes of 4 bits"),
           Rounded(narrow.bytes_a_vector()), "", "", "");
  for (const double recall : {0.95, 0.99}) {
    Compare(data, absl::StrCat(what, ", 4 bits"), recall, narrow, ours,
            data.dimensions == 384 ? ">= 1.1 x" : "");
  }
}

void MeasurePeer(const SearchData& data, absl::string_view what, Ours& ours,
                 Peer& peer) {
  const Goal goal = GoalFor(peer.name());
  if (peer.build_seconds.has_value()) {
    PrintRow(
        absl::StrCat(what, ", build, against ", peer.name()),
        Rounded(*ours.build_seconds, "%.1f s"),
        Rounded(*peer.build_seconds, "%.1f s"),
        absl::StrCat(Rounded(*peer.build_seconds / *ours.build_seconds, "%.1f"),
                     " x"),
        goal.build);
    PrintCurve(data, what, peer);
  }
  Compare(data, what, 0.95, ours, peer, goal.search);
  Compare(data, what, 0.99, ours, peer, goal.search);
}

SearchData MakeData(const std::string& name) {
  const std::pair<absl::string_view, absl::string_view> size =
      absl::StrSplit(name, absl::MaxSplits('x', 1));
  int64_t count = 0;
  int dimensions = 0;
  if (absl::SimpleAtoi(size.first, &count) &&
      absl::SimpleAtoi(size.second, &dimensions)) {
    return MakeClusteredData(count, dimensions, kQueries, kLimit);
  }
  return MakeTextData(name, kQueries, kLimit);
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr,
                 "usage: %s <count>x<dimensions>|<text file> "
                 "[--keep=<folder>] [<peer.so>...]\n",
                 argv[0]);
    return 1;
  }
  const SearchData data = MakeData(argv[1]);
  const std::string what =
      absl::StrCat(std::filesystem::exists(argv[1]) ? "texts, " : "",
                   data.count, " x ", data.dimensions);
  std::string prefix;
  Ours ours(data);
  MeasureOurs(data, what, ours);
  const std::unique_ptr<Ours> narrow = ours.Narrow();
  if (argc == 2) {
    MeasureNarrow(data, what, *narrow, ours);
    return 0;
  }
  const bool takes_narrow = TakesNarrow(data, *narrow, ours);
  const std::string which =
      takes_narrow ? absl::StrCat(what, ", 4 bits") : what;
  for (int i = 2; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--keep=")) {
      prefix =
          absl::StrCat(argument, "/", data.count, "x", data.dimensions, "-");
      continue;
    }
    Peer peer(argv[i], data, prefix);
    MeasurePeer(data, which, takes_narrow ? *narrow : ours, peer);
  }
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
