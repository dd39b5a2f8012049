// What a filter costs: searches of an index that may find a share of its
// records, against what could be done by hand over the same codes and graph:
// see README.md.
//
//   filter_benchmark <count> <dimensions>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_kernels.h"
#include "libs/hnsw/code_table.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/graph.h"
#include "libs/hnsw/graph_builder.h"
#include "libs/hnsw/graph_search.h"
#include "libs/hnsw/node_bitmap.h"
#include "libs/hnsw/rerank.h"
#include "services/search/row_set.h"
#include "services/search/slot_set.h"
#include "services/search/vector_index.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/local_search.h"
#include "tests/benchmarks/search/search_data.h"
#include "tests/benchmarks/search/timing.h"

namespace engram::benchmarks {
namespace {

constexpr int kLimit = 10;
constexpr int kQueries = 300;
constexpr int kRounds = 7;
constexpr double kRecall = 0.95;
constexpr double kShares[] = {0.5, 0.1, 0.01, 0.001};
// All may be run again to know what they find, so that it takes hundreds of
// them and not a day's.
constexpr double kAllTime = 1e9;
constexpr int kLiveQueries = 600;

// The records that a filter lets through, at random, in the forms that each way
// wants; a record's row is its node's number.
struct Matching {
  search::SlotSet rows;
  std::vector<uint32_t> nodes;
  std::vector<uint64_t> words;
};

Matching MatchSome(int64_t count, double share) {
  Matching matching;
  matching.words.resize((count + 63) / 64);
  std::mt19937_64 random(5);
  for (int64_t row = 0; row < count; ++row) {
    if (static_cast<double>(random() % 1'000'000) >= share * 1e6) continue;
    matching.rows.Add(static_cast<uint32_t>(row));
    matching.nodes.push_back(static_cast<uint32_t>(row));
    matching.words[row / 64] |= uint64_t{1} << row % 64;
  }
  return matching;
}

// Codes and a graph of our own libraries, with nothing around them.
class ByHand {
 public:
  explicit ByHand(const SearchData& data)
      : data_(data),
        codes_(data.rows.data(), data.count, data.dimensions,
               hnsw::Metric::kDot),
        graph_(*hnsw::BuildGraph(codes_.view(), {.threads = 2})) {}

  // Scores the codes of all that match, and exactly those that come out best.
  void Scan(absl::Span<const float> query, const Matching& matching,
            uint32_t* found) {
    constexpr int kBlock = 256;
    const hnsw::CodeView view = codes_.view();
    const hnsw::EncodedQuery encoded(query, view.range, view.metric);
    const hnsw::CodeKernels& kernels = hnsw::BestCodeKernels();
    int32_t scores[kBlock];
    std::vector<std::pair<int32_t, uint32_t>>& best = best_;
    best.clear();
    int32_t least = std::numeric_limits<int32_t>::min();
    for (size_t first = 0; first < matching.nodes.size(); first += kBlock) {
      const int count = static_cast<int>(
          std::min<size_t>(kBlock, matching.nodes.size() - first));
      kernels.gather(encoded.codes(), view.codes, view.dimensions,
                     &matching.nodes[first], count, scores);
      for (int i = 0; i < count; ++i) {
        if (scores[i] <= least) continue;
        best.emplace_back(-scores[i], matching.nodes[first + i]);
        std::push_heap(best.begin(), best.end());
        if (best.size() <= hnsw::kUsualRerank) continue;
        std::pop_heap(best.begin(), best.end());
        best.pop_back();
        least = -best.front().first;
      }
    }
    result_.nodes.clear();
    for (const auto& [score, node] : best) result_.nodes.push_back({node, 0});
    Finish(query, found);
  }

  // Walks the graph as if there were no filter, and keeps what matches.
  void Walk(absl::Span<const float> query, const Matching& matching, int width,
            uint32_t* found) {
    const hnsw::CodeView view = codes_.view();
    const hnsw::EncodedQuery encoded(query, view.range, view.metric);
    const hnsw::NodeBitmap bitmap(matching.words);
    hnsw::SearchGraph(
        graph_, view, encoded,
        {.limit = hnsw::kUsualRerank, .width = width, .filter = &bitmap},
        scratch_, result_);
    Finish(query, found);
  }

 private:
  void Finish(absl::Span<const float> query, uint32_t* found) {
    hnsw::Rerank(query, data_.rows.data(), hnsw::Metric::kDot, result_.nodes);
    for (int i = 0; i < kLimit; ++i) {
      found[i] = i < static_cast<int>(result_.nodes.size())
                     ? result_.nodes[i].node
                     : hnsw::kNoNode;
    }
  }

  const SearchData& data_;
  const hnsw::CodeTable codes_;
  const hnsw::Graph graph_;
  hnsw::SearchScratch scratch_;
  hnsw::GraphSearchResult result_;
  std::vector<std::pair<int32_t, uint32_t>> best_;
};

// As a query does that knows the rows that its filter lets through.
search::SearchResult SearchFiltered(const search::Index& index,
                                    absl::Span<const float> query,
                                    const Matching& matching, int64_t count) {
  const auto matches = static_cast<int64_t>(matching.nodes.size());
  const search::SearchEffort effort = {
      .target_recall = kRecall,
      .share = static_cast<double>(matches) / static_cast<double>(count),
      .is_live = false};
  if (!index.PrefersRows(matches, kLimit, effort)) {
    return index.Search(
        query, kLimit,
        [&](int64_t row) {
          return matching.rows.Has(static_cast<uint32_t>(row));
        },
        effort);
  }
  search::RowSet rows;
  rows.Reserve(std::min<size_t>(matching.rows.words(), matches));
  matching.rows.ForEachWord([&](size_t index, uint64_t word) {
    rows.Add(static_cast<int64_t>(index * search::SlotSet::kWordBits), word);
  });
  return index.SearchRows(query, kLimit, rows, search::AnyRow, effort);
}

// What the search cost goes to `cost`: the last one's stands for all.
void CopyRows(const search::SearchResult& result, uint32_t* found,
              search::SearchCost* cost = nullptr) {
  if (cost != nullptr) *cost = result.cost;
  for (int i = 0; i < kLimit; ++i) {
    found[i] = i < static_cast<int>(result.candidates.size())
                   ? static_cast<uint32_t>(result.candidates[i].row)
                   : hnsw::kNoNode;
  }
}

using SearchOne =
    absl::FunctionRef<void(absl::Span<const float> query, uint32_t* found)>;

double QueriesPerSecond(const SearchData& data, std::vector<uint32_t>& found,
                        SearchOne search) {
  found.resize(data.queries * kLimit);
  const double seconds = ProcessorSeconds([&] {
    for (int64_t q = 0; q < data.queries; ++q) {
      search(absl::MakeSpan(&data.query_rows[q * data.dimensions],
                            data.dimensions),
             &found[q * kLimit]);
    }
  });
  return static_cast<double>(data.queries) / seconds;
}

// The least width, in steps of a tenth, that reaches the recall; 0 if none
// does.
int WidthOfWalk(const SearchData& data, ByHand& by_hand,
                const Matching& matching) {
  std::vector<uint32_t> found;
  for (int width = 16; width < data.count / 4; width += width / 10 + 1) {
    QueriesPerSecond(data, found, [&](auto query, uint32_t* rows) {
      by_hand.Walk(query, matching, width, rows);
    });
    if (RecallOf(data, found) >= kRecall) return width;
  }
  return 0;
}

// Queries without a filter, from which the index learns how wide walks have to
// be for what is asked here.
void AskLive(const SearchData& data, search::Index& index) {
  for (int64_t i = 0; i < kLiveQueries; ++i) {
    index.Search(
        absl::MakeSpan(&data.query_rows[i % data.queries * data.dimensions],
                       data.dimensions),
        kLimit, search::AnyRow, {.target_recall = kRecall});
    index.Optimize([] { return true; });
  }
}

void MeasureShare(SearchData& data, const search::Index& index, ByHand& by_hand,
                  double share, absl::string_view when) {
  const Matching matching = MatchSome(data.count, share);
  const search::RowSet rows(
      std::vector<int64_t>(matching.nodes.begin(), matching.nodes.end()));
  std::vector<uint32_t> found;
  // The truth: exact scores of all that match.
  QueriesPerSecond(data, found, [&](auto query, uint32_t* nearest) {
    CopyRows(index.SearchRows(query, kLimit, rows, search::AnyRow,
                              {.target_recall = 1}),
             nearest);
  });
  data.nearest = found;
  const int width = WidthOfWalk(data, by_hand, matching);
  std::vector<double> ours, scans, walks, ratios;
  double recall = 0;
  search::SearchCost cost;
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(
        QueriesPerSecond(data, found, [&](auto query, uint32_t* nearest) {
          CopyRows(SearchFiltered(index, query, matching, data.count), nearest,
                   &cost);
        }));
    recall = RecallOf(data, found);
    scans.push_back(
        QueriesPerSecond(data, found, [&](auto query, uint32_t* nearest) {
          by_hand.Scan(query, matching, nearest);
        }));
    walks.push_back(
        width == 0
            ? 0
            : QueriesPerSecond(data, found, [&](auto query, uint32_t* nearest) {
                by_hand.Walk(query, matching, width, nearest);
              }));
    ratios.push_back(ours.back() / std::max(scans.back(), walks.back()));
  }
  PrintRow(absl::StrCat(data.count, " x ", data.dimensions, ", filter lets ",
                        100 * share, " % through", when),
           absl::StrCat(Rounded(Median(ours)), "/s, recall ",
                        Rounded(recall, "%.3f"), ", width ", cost.width),
           absl::StrCat("scan ", Rounded(Median(scans)), "/s, walk ",
                        Rounded(Median(walks)), "/s, width ", width),
           absl::StrCat(Rounded(Median(ratios), "%.2f"), " x"), ">= 0.9 x");
}

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: filter_benchmark <count> <dimensions>\n");
    return 2;
  }
  SearchData data = MakeClusteredData(std::atoll(argv[1]), std::atoi(argv[2]),
                                      kQueries, kLimit);
  const auto index = MakeIndex(data, {.sampled_share = kAllTime});
  index->Optimize(/*threads=*/2, [] { return true; });
  ByHand by_hand(data);
  MeasureShare(data, *index, by_hand, kShares[0], ", before it was asked");
  AskLive(data, *index);
  for (const double share : kShares) {
    MeasureShare(data, *index, by_hand, share, "");
  }
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
