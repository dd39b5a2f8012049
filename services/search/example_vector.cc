#include "services/search/example_vector.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "libs/vector/vector.h"

namespace engram::search {
namespace {

// A sum of vectors. In double: a mean of large floats is one, their sum may not
// be.
class Sum {
 public:
  explicit Sum(int dimensions) : sum_(dimensions) {}

  void Add(absl::Span<const float> values) {
    for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += values[i];
    ++count_;
  }

  // There is at least one.
  std::vector<float> Mean() const {
    std::vector<float> mean(sum_.size());
    for (size_t i = 0; i < sum_.size(); ++i) {
      mean[i] = static_cast<float>(sum_[i] / count_);
    }
    return mean;
  }

 private:
  std::vector<double> sum_;
  int count_ = 0;
};

// None if the index has none.
std::vector<float> VectorOfRecord(const Index& index, const std::string& id,
                                  RowFilter filter) {
  Sum chunks(index.spec().dimensions);
  const std::optional<int64_t> row = index.VisitVectors(
      id, [&](absl::Span<const float> values) { chunks.Add(values); });
  if (!row.has_value() || !filter(*row)) return {};
  std::vector<float> values = chunks.Mean();
  // Chunks that cancel each other out have no direction: they add nothing.
  if (index.spec().metric == Metric::kCosine) {
    vector::Normalize(absl::MakeSpan(values));
  }
  return values;
}

// Adds what is missing to `missing`, else returns the mean; none of no ids.
std::vector<float> MeanOfRecords(const Index& index,
                                 const std::vector<std::string>& ids,
                                 RowFilter filter,
                                 std::vector<std::string>& missing) {
  Sum records(index.spec().dimensions);
  for (const std::string& id : ids) {
    const std::vector<float> values = VectorOfRecord(index, id, filter);
    if (!values.empty()) {
      records.Add(values);
    } else if (std::find(missing.begin(), missing.end(), id) == missing.end()) {
      missing.push_back(id);
    }
  }
  if (ids.empty() || !missing.empty()) return {};
  return records.Mean();
}

}  // namespace

ExampleVector VectorOfExamples(const Index& index, const Examples& examples,
                               RowFilter filter) {
  ExampleVector made;
  std::vector<float> positive =
      MeanOfRecords(index, examples.positive, filter, made.missing);
  const std::vector<float> negative =
      MeanOfRecords(index, examples.negative, filter, made.missing);
  if (!made.missing.empty()) return made;
  for (size_t i = 0; i < negative.size(); ++i) {
    positive[i] += positive[i] - negative[i];
  }
  made.values = std::move(positive);
  return made;
}

}  // namespace engram::search
