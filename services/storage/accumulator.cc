#include "services/storage/accumulator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace engram::storage {
namespace {

using filter::Type;
using v1::Aggregation;

constexpr double kMicrosecondsPerSecond = 1'000'000;

// What a set or a map needs for an entry beside its bytes, about.
constexpr size_t kEntryBytes = 48;

template <typename T>
int ThreeWay(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int CompareText(absl::string_view a, absl::string_view b, bool nocase) {
  if (!nocase) return ThreeWay(a, b);
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    const auto x = static_cast<unsigned char>(absl::ascii_tolower(a[i]));
    const auto y = static_cast<unsigned char>(absl::ascii_tolower(b[i]));
    if (x != y) return x < y ? -1 : 1;
  }
  return ThreeWay(a.size(), b.size());
}

template <typename T>
void AppendBytes(T value, std::string& key) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  key.append(bytes, sizeof(bytes));
}

ColumnValue FiniteOrMissing(double number) {
  return std::isfinite(number) ? ColumnValue(number) : ColumnValue();
}

// A file that another hand changed may hold something else, which is missing.
std::optional<double> NumberIn(const Cell& cell) {
  if (const auto* whole = std::get_if<int64_t>(&cell)) {
    return static_cast<double>(*whole);
  }
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  return std::nullopt;
}

bool IsMissing(const Cell& cell) { return cell.index() == 0; }

}  // namespace

Cell ViewOf(const ColumnValue& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) {
    return absl::string_view(*text);
  }
  if (const auto* blob = std::get_if<Blob>(&value)) {
    return absl::string_view(blob->bytes);
  }
  return Cell();
}

ColumnValue CopyOf(const Cell& cell, schema::FieldType type) {
  if (const auto* whole = std::get_if<int64_t>(&cell)) return *whole;
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  if (const auto* text = std::get_if<absl::string_view>(&cell)) {
    if (type == schema::FieldType::kBytes) return Blob{std::string(*text)};
    return std::string(*text);
  }
  return ColumnValue();
}

int CompareCells(const Cell& a, const Cell& b, bool nocase) {
  if (a.index() != b.index()) return ThreeWay(a.index(), b.index());
  if (const auto* whole = std::get_if<int64_t>(&a)) {
    return ThreeWay(*whole, std::get<int64_t>(b));
  }
  if (const auto* number = std::get_if<double>(&a)) {
    return ThreeWay(*number, std::get<double>(b));
  }
  if (const auto* text = std::get_if<absl::string_view>(&a)) {
    return CompareText(*text, std::get<absl::string_view>(b), nocase);
  }
  return 0;
}

void AppendToKey(const Cell& cell, bool nocase, std::string& key) {
  key.push_back(static_cast<char>(cell.index()));
  if (const auto* whole = std::get_if<int64_t>(&cell)) {
    AppendBytes(*whole, key);
  } else if (const auto* number = std::get_if<double>(&cell)) {
    // Of the two zeros, which are equal, always the same.
    AppendBytes(*number + 0.0, key);
  } else if (const auto* text = std::get_if<absl::string_view>(&cell)) {
    AppendBytes(text->size(), key);
    const size_t begin = key.size();
    key.append(text->data(), text->size());
    if (!nocase) return;
    std::transform(key.begin() + static_cast<ptrdiff_t>(begin), key.end(),
                   key.begin() + static_cast<ptrdiff_t>(begin),
                   absl::ascii_tolower);
  }
}

void CompensatedSum::Add(double number) {
  const double sum = sum_ + number;
  lost_ += std::fabs(sum_) >= std::fabs(number) ? (sum_ - sum) + number
                                                : (number - sum) + sum_;
  sum_ = sum;
}

Accumulator::Accumulator(const AggregateFigure& figure) {
  switch (figure.function) {
    case Aggregation::FUNCTION_COUNT_DISTINCT:
      state_.emplace<DistinctState>();
      return;
    case Aggregation::FUNCTION_MIN:
    case Aggregation::FUNCTION_MAX:
      state_.emplace<ExtremeState>();
      return;
    case Aggregation::FUNCTION_SUM:
    case Aggregation::FUNCTION_AVG:
      if (figure.weight.has_value()) {
        state_.emplace<WeightedSumState>();
      } else if (figure.value->type == Type::kDouble) {
        state_.emplace<NumberSumState>();
      } else {
        state_.emplace<WholeSumState>();
      }
      return;
    default:
      return;  // A count.
  }
}

size_t Accumulator::Add(const AggregateFigure& figure, const Cell& value,
                        const Cell& weight) {
  if (figure.value.has_value() && IsMissing(value)) return 0;
  const std::optional<double> number = NumberIn(value);
  if (auto* count = std::get_if<CountState>(&state_)) {
    ++count->count;
  } else if (auto* whole = std::get_if<WholeSumState>(&state_)) {
    const auto* addend = std::get_if<int64_t>(&value);
    if (addend == nullptr) return 0;
    whole->sum += *addend;
    ++whole->count;
  } else if (auto* numbers = std::get_if<NumberSumState>(&state_)) {
    if (!number.has_value()) return 0;
    numbers->sum.Add(*number);
    ++numbers->count;
  } else if (auto* weighted = std::get_if<WeightedSumState>(&state_)) {
    const std::optional<double> factor = NumberIn(weight);
    if (!number.has_value() || !factor.has_value()) return 0;
    weighted->sum.Add(*number * *factor);
    weighted->weights.Add(*factor);
  } else if (auto* distinct = std::get_if<DistinctState>(&state_)) {
    std::string key;
    AppendToKey(value, figure.value->nocase, key);
    const size_t bytes = kEntryBytes + key.size();
    return distinct->keys.insert(std::move(key)).second ? bytes : 0;
  } else {
    auto& extreme = std::get<ExtremeState>(state_);
    const Cell best = ViewOf(extreme.value);
    // Of what is equal but for its case, always the same.
    int order = CompareCells(value, best, figure.value->nocase);
    if (order == 0) order = CompareCells(value, best, false);
    const bool is_better =
        IsMissing(best) ||
        (figure.function == Aggregation::FUNCTION_MIN ? order < 0 : order > 0);
    if (!is_better) return 0;
    extreme.value = CopyOf(value, figure.column.type);
    const auto* text = std::get_if<absl::string_view>(&value);
    return text == nullptr ? 0 : text->size();
  }
  return 0;
}

absl::StatusOr<ColumnValue> Accumulator::Take(const AggregateFigure& figure) {
  if (const auto* count = std::get_if<CountState>(&state_)) return count->count;
  if (const auto* whole = std::get_if<WholeSumState>(&state_)) {
    return TakeFrom(figure, *whole);
  }
  if (const auto* number = std::get_if<NumberSumState>(&state_)) {
    if (number->count == 0) return ColumnValue();
    const bool is_sum = figure.function == Aggregation::FUNCTION_SUM;
    return FiniteOrMissing(number->sum.Total() /
                           (is_sum ? 1.0 : static_cast<double>(number->count)));
  }
  if (const auto* weighted = std::get_if<WeightedSumState>(&state_)) {
    const double mean = weighted->sum.Total() / weighted->weights.Total();
    const bool is_duration = figure.value->type == Type::kDuration;
    return FiniteOrMissing(is_duration ? mean / kMicrosecondsPerSecond : mean);
  }
  if (const auto* distinct = std::get_if<DistinctState>(&state_)) {
    return static_cast<int64_t>(distinct->keys.size());
  }
  ColumnValue extreme = std::move(std::get<ExtremeState>(state_).value);
  if (const auto* span = std::get_if<int64_t>(&extreme);
      span != nullptr && figure.value->type == Type::kDuration) {
    return static_cast<double>(*span) / kMicrosecondsPerSecond;
  }
  return extreme;
}

absl::StatusOr<ColumnValue> Accumulator::TakeFrom(
    const AggregateFigure& figure, const WholeSumState& state) const {
  if (state.count == 0) return ColumnValue();
  const double unit =
      figure.value->type == Type::kDuration ? kMicrosecondsPerSecond : 1;
  if (figure.function == Aggregation::FUNCTION_AVG) {
    return static_cast<double>(state.sum) / static_cast<double>(state.count) /
           unit;
  }
  if (figure.column.type == schema::FieldType::kDouble) {
    return static_cast<double>(state.sum) / unit;
  }
  if (state.sum > std::numeric_limits<int64_t>::max() ||
      state.sum < std::numeric_limits<int64_t>::min()) {
    return absl::OutOfRangeError(absl::StrCat(
        "the sum \"", figure.column.name,
        "\" is beyond 64 bits; sum a double, such as 1.0 * (...)"));
  }
  return static_cast<int64_t>(state.sum);
}

}  // namespace engram::storage
