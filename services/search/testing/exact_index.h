#ifndef ENGRAM_SERVICES_SEARCH_TESTING_EXACT_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_EXACT_INDEX_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "services/search/index.h"

namespace engram::search::testing {

// A reference: a map of records, searched by sorting all of them in double
// precision. What every Index is compared with.
class ExactIndex {
 public:
  struct Scored {
    std::string id;
    double score = 0;
  };

  explicit ExactIndex(Metric metric) : metric_(metric) {}

  void Put(int64_t row, std::string id,
           std::vector<std::vector<float>> chunks) {
    records_[row] = {std::move(id), std::move(chunks)};
  }
  void Erase(int64_t row) { records_.erase(row); }

  size_t size() const { return records_.size(); }

  // All records, best first, equal scores by id.
  std::vector<Scored> Search(const std::vector<float>& query) const {
    std::vector<Scored> all;
    for (const auto& [row, record] : records_) {
      Scored scored{record.id, Score(query, record.chunks[0])};
      for (const std::vector<float>& chunk : record.chunks) {
        const double score = Score(query, chunk);
        if (IsBetter(score, scored.score)) scored.score = score;
      }
      all.push_back(std::move(scored));
    }
    std::sort(all.begin(), all.end(), [this](const Scored& a, const Scored& b) {
      return a.score != b.score ? IsBetter(a.score, b.score) : a.id < b.id;
    });
    return all;
  }

 private:
  struct Record {
    std::string id;
    std::vector<std::vector<float>> chunks;
  };

  bool IsBetter(double a, double b) const {
    return metric_ == Metric::kL2 ? a < b : a > b;
  }

  double Score(const std::vector<float>& a, const std::vector<float>& b) const {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      const double difference = static_cast<double>(a[i]) - b[i];
      sum += metric_ == Metric::kL2 ? difference * difference
                                    : static_cast<double>(a[i]) * b[i];
    }
    return sum;
  }

  const Metric metric_;
  std::map<int64_t, Record> records_;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_EXACT_INDEX_H_
