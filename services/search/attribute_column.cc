#include "services/search/attribute_column.h"

#include <simdjson.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/filter/arithmetic.h"
#include "libs/filter/evaluate.h"
#include "libs/json/json.h"
#include "services/search/value_index.h"

namespace engram::search {
namespace {

using filter::Node;
using filter::Operator;
using schema::FieldType;
using schema::FieldValue;

// Longer values, and more of them, are left to storage: search would hold a
// second copy of the collection.
constexpr size_t kMaxValueBytes = 1024;
constexpr int64_t kMaxColumnTextBytes = 256 << 20;

// Looks at the clock once for so many values.
constexpr int64_t kStepsBetweenLooks = 1024;

// `within` without those of `present`: the slots that have no value.
SlotSet Missing(const SlotSet& within, const SlotSet& present) {
  SlotSet missing = within;
  missing.Subtract(present);
  return missing;
}

// Whether the predicate is true of a record with this value.
bool Holds(const Node& predicate, const FieldValue& value, int64_t now_us) {
  return filter::Matches(
      predicate, [&](int) -> const FieldValue& { return value; }, now_us);
}

bool IsField(const Node& node) {
  return node.op == Operator::kField && node.path.empty();
}

bool IsConstant(const Node& node) { return filter::PlacesUsed(node).empty(); }

FieldValue ConstantOf(const Node& node, int64_t now_us) {
  static const FieldValue* const none = new FieldValue();
  return filter::Evaluate(
      node, [](int) -> const FieldValue& { return *none; }, now_us);
}

// What `b OP a` is as `a OP' b`.
Operator Mirrored(Operator op) {
  switch (op) {
    case Operator::kLess:
      return Operator::kGreater;
    case Operator::kLessOrEqual:
      return Operator::kGreaterOrEqual;
    case Operator::kGreater:
      return Operator::kLess;
    case Operator::kGreaterOrEqual:
      return Operator::kLessOrEqual;
    default:
      return op;
  }
}

bool IsComparison(Operator op) {
  switch (op) {
    case Operator::kEqual:
    case Operator::kNotEqual:
    case Operator::kLess:
    case Operator::kLessOrEqual:
    case Operator::kGreater:
    case Operator::kGreaterOrEqual:
      return true;
    default:
      return false;
  }
}

// --- Numbers and times.

// As the value is to the constant: below, at, or above zero.
template <typename T>
int Order(T value, T constant) {
  return value < constant ? -1 : value == constant ? 0 : 1;
}
int Order(int64_t value, double constant) {
  return filter::CompareExactly(value, constant);
}
int Order(double value, int64_t constant) {
  return -filter::CompareExactly(constant, value);
}

// T is int64_t, also for times, or double.
template <typename T>
class NumberColumn : public AttributeColumn {
 public:
  bool Set(uint32_t slot, const FieldValue& value) override {
    const T* const number = std::get_if<T>(&value);
    if (number == nullptr) {
      present_.Remove(slot);
      return true;
    }
    // Whole words of slots, so that Scan need not look for the end.
    if (slot >= values_.size()) {
      values_.resize((slot / SlotSet::kWordBits + 1) * SlotSet::kWordBits);
    }
    values_[slot] = *number;
    present_.Add(slot);
    return true;
  }

  FieldValue Get(uint32_t slot) const override {
    return present_.Has(slot) ? FieldValue(values_[slot]) : FieldValue();
  }

  std::optional<SlotSet> Find(const Node& predicate, const SlotSet& within,
                              Evaluation& evaluation) const override {
    if (predicate.op == Operator::kIsNull && IsField(predicate.operands[0])) {
      return Missing(within, present_);
    }
    if (predicate.op == Operator::kIn && IsField(predicate.operands[0])) {
      return FindIn(predicate, within);
    }
    if (!IsComparison(predicate.op)) return std::nullopt;
    const Node& left = predicate.operands[0];
    const Node& right = predicate.operands[1];
    if (IsField(left) && IsConstant(right)) {
      return Compare(predicate.op, ConstantOf(right, evaluation.now_us()),
                     within);
    }
    if (IsField(right) && IsConstant(left)) {
      return Compare(Mirrored(predicate.op),
                     ConstantOf(left, evaluation.now_us()), within);
    }
    return std::nullopt;
  }

  void CountValues(const SlotSet& within, Evaluation& evaluation,
                   ValueCounter visit) const override {
    SlotSet counted = within;
    counted.Intersect(present_);
    absl::flat_hash_map<T, int64_t> counts;
    const bool all = counted.ForEach([&](uint32_t slot) {
      // Zero is one value, whatever its sign.
      ++counts[values_[slot] == 0 ? T{0} : values_[slot]];
      return evaluation.Goes();
    });
    if (!all) return;
    for (const auto& [value, count] : counts) visit(value, count);
  }

  int64_t memory_bytes() const override {
    return static_cast<int64_t>(values_.capacity() * sizeof(T)) +
           present_.memory_bytes();
  }

 private:
  // The present slots of `within` whose value passes `test`.
  template <typename Test>
  SlotSet Scan(const SlotSet& within, Test test) const {
    SlotSet found;
    for (size_t i = 0; i < present_.words(); ++i) {
      const uint64_t wanted = within.word(i) & present_.word(i);
      if (wanted == 0) continue;
      const T* const values = values_.data() + i * SlotSet::kWordBits;
      uint64_t passed = 0;
      for (size_t bit = 0; bit < SlotSet::kWordBits; ++bit) {
        passed |= static_cast<uint64_t>(test(values[bit])) << bit;
      }
      found.AddWord(i, passed & wanted);
    }
    return found;
  }

  template <typename Constant>
  SlotSet CompareWith(Operator op, Constant constant,
                      const SlotSet& within) const {
    switch (op) {
      case Operator::kEqual:
        return Scan(within, [=](T v) { return Order(v, constant) == 0; });
      case Operator::kNotEqual:
        return Scan(within, [=](T v) { return Order(v, constant) != 0; });
      case Operator::kLess:
        return Scan(within, [=](T v) { return Order(v, constant) < 0; });
      case Operator::kLessOrEqual:
        return Scan(within, [=](T v) { return Order(v, constant) <= 0; });
      case Operator::kGreater:
        return Scan(within, [=](T v) { return Order(v, constant) > 0; });
      default:
        return Scan(within, [=](T v) { return Order(v, constant) >= 0; });
    }
  }

  SlotSet Compare(Operator op, const FieldValue& constant,
                  const SlotSet& within) const {
    if (const auto* whole = std::get_if<int64_t>(&constant)) {
      return CompareWith(op, *whole, within);
    }
    if (const auto* number = std::get_if<double>(&constant)) {
      return CompareWith(op, *number, within);
    }
    return SlotSet();  // Missing: not even unequal.
  }

  SlotSet FindIn(const Node& predicate, const SlotSet& within) const {
    std::vector<T> wanted;
    for (const FieldValue& value : predicate.values) {
      if (const T* const number = std::get_if<T>(&value)) {
        wanted.push_back(*number);
      }
    }
    return Scan(within, [&](T value) {
      return std::binary_search(wanted.begin(), wanted.end(), value);
    });
  }

  std::vector<T> values_;
  SlotSet present_;
};

// --- Bools.

class BoolColumn : public AttributeColumn {
 public:
  bool Set(uint32_t slot, const FieldValue& value) override {
    true_.Remove(slot);
    false_.Remove(slot);
    if (const auto* truth = std::get_if<int64_t>(&value)) {
      (*truth != 0 ? true_ : false_).Add(slot);
    }
    return true;
  }

  FieldValue Get(uint32_t slot) const override {
    if (true_.Has(slot)) return int64_t{1};
    if (false_.Has(slot)) return int64_t{0};
    return FieldValue();
  }

  std::optional<SlotSet> Find(const Node& predicate, const SlotSet& within,
                              Evaluation& evaluation) const override {
    const int64_t now_us = evaluation.now_us();
    SlotSet found;
    if (Holds(predicate, int64_t{1}, now_us)) found.Unite(true_);
    if (Holds(predicate, int64_t{0}, now_us)) found.Unite(false_);
    found.Intersect(within);
    if (Holds(predicate, FieldValue(), now_us)) {
      SlotSet missing = Missing(within, true_);
      missing.Subtract(false_);
      found.Unite(missing);
    }
    return found;
  }

  void CountValues(const SlotSet& within, Evaluation& /*evaluation*/,
                   ValueCounter visit) const override {
    for (const bool truth : {true, false}) {
      SlotSet counted = within;
      counted.Intersect(truth ? true_ : false_);
      const int64_t count = counted.Count();
      if (count > 0) visit(int64_t{truth}, count);
    }
  }

  int64_t memory_bytes() const override {
    return true_.memory_bytes() + false_.memory_bytes();
  }

 private:
  SlotSet true_;
  SlotSet false_;
};

// --- Strings.

class StringColumn : public AttributeColumn {
 public:
  bool Set(uint32_t slot, const FieldValue& value) override {
    if (present_.Has(slot)) {
      values_.Remove(codes_[slot], slot);
      present_.Remove(slot);
    }
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return true;
    if (text->size() > kMaxValueBytes) return false;
    if (slot >= codes_.size()) codes_.resize(slot + 1);
    codes_[slot] = values_.Add(*text, slot);
    present_.Add(slot);
    return values_.text_bytes() <= kMaxColumnTextBytes;
  }

  FieldValue Get(uint32_t slot) const override {
    return present_.Has(slot) ? values_.ValueOf(codes_[slot]) : FieldValue();
  }

  // A predicate over one field is the same for all records of one value.
  std::optional<SlotSet> Find(const Node& predicate, const SlotSet& within,
                              Evaluation& evaluation) const override {
    SlotSet found;
    if (!FindListed(predicate, found)) {
      values_.ForEach([&](uint32_t code) {
        if (Holds(predicate, values_.ValueOf(code), evaluation.now_us())) {
          values_.AddSlots(code, found);
        }
        return evaluation.Goes();
      });
    }
    found.Intersect(within);
    if (Holds(predicate, FieldValue(), evaluation.now_us())) {
      found.Unite(Missing(within, present_));
    }
    return found;
  }

  void CountValues(const SlotSet& within, Evaluation& evaluation,
                   ValueCounter visit) const override {
    SlotSet counted = within;
    counted.Intersect(present_);
    std::vector<int64_t> counts(values_.codes());
    const bool all = counted.ForEach([&](uint32_t slot) {
      ++counts[codes_[slot]];
      return evaluation.Goes();
    });
    if (all) values_.VisitCounts(counts, visit);
  }

  int64_t memory_bytes() const override {
    return static_cast<int64_t>(codes_.capacity() * sizeof(uint32_t)) +
           present_.memory_bytes() + values_.memory_bytes();
  }

 private:
  // Where the predicate names the values that it is true of: looks these up.
  bool FindListed(const Node& predicate, SlotSet& found) const {
    if (predicate.nocase || predicate.operands.empty()) return false;
    const auto add = [&](const FieldValue& value) {
      const auto* text = std::get_if<std::string>(&value);
      if (text == nullptr) return;
      const std::optional<uint32_t> code = values_.Find(*text);
      if (code.has_value()) values_.AddSlots(*code, found);
    };
    if (!IsField(predicate.operands[0])) return false;
    if (predicate.op == Operator::kIn) {
      for (const FieldValue& value : predicate.values) add(value);
      return true;
    }
    if (predicate.op == Operator::kEqual &&
        predicate.operands[1].op == Operator::kLiteral) {
      add(predicate.operands[1].value);
      return true;
    }
    return false;
  }

  ValueIndex values_;
  // Of the present slots.
  std::vector<uint32_t> codes_;
  SlotSet present_;
};

// --- Lists of strings.

class StringsColumn : public AttributeColumn {
 public:
  bool Set(uint32_t slot, const FieldValue& value) override {
    Clear(slot);
    const auto* list = std::get_if<std::string>(&value);
    if (list == nullptr) return true;
    if (slot >= lists_.size()) lists_.resize(slot + 1);
    thread_local simdjson::dom::parser parser;
    simdjson::dom::array elements;
    if (parser.parse(list->data(), list->size()).get(elements) !=
        simdjson::SUCCESS) {
      return false;
    }
    std::vector<uint32_t> codes;
    for (const simdjson::dom::element element : elements) {
      std::string_view text;
      if (element.get(text) != simdjson::SUCCESS ||
          text.size() > kMaxValueBytes) {
        for (const uint32_t code : codes) elements_.Remove(code, slot);
        return false;
      }
      const uint32_t code =
          elements_.Add(absl::string_view(text.data(), text.size()), slot);
      // Twice in the list is once in the index.
      if (std::find(codes.begin(), codes.end(), code) == codes.end()) {
        codes.push_back(code);
      }
    }
    list_bytes_ += static_cast<int64_t>(codes.size() * sizeof(uint32_t));
    lists_[slot] = std::move(codes);
    present_.Add(slot);
    return elements_.text_bytes() + list_bytes_ <= kMaxColumnTextBytes;
  }

  // Each element once, in the order in which the list first has them: as much
  // as a filter can ask.
  FieldValue Get(uint32_t slot) const override {
    if (!present_.Has(slot)) return FieldValue();
    std::string list = "[";
    for (const uint32_t code : lists_[slot]) {
      if (list.size() > 1) list.push_back(',');
      json::AppendQuoted(std::get<std::string>(elements_.ValueOf(code)), &list);
    }
    list.push_back(']');
    return list;
  }

  std::optional<SlotSet> Find(const Node& predicate, const SlotSet& within,
                              Evaluation& evaluation) const override {
    if (predicate.op == Operator::kIsNull && IsField(predicate.operands[0])) {
      return Missing(within, present_);
    }
    if (predicate.op != Operator::kHas || !IsField(predicate.operands[0])) {
      return std::nullopt;
    }
    SlotSet found;
    const auto* wanted = std::get_if<std::string>(&predicate.operands[1].value);
    if (wanted == nullptr) return found;
    if (!predicate.nocase) {
      const std::optional<uint32_t> code = elements_.Find(*wanted);
      if (code.has_value()) elements_.AddSlots(*code, found);
    } else {
      // The element as a list of itself, which is what HAS is asked of.
      std::string list;
      elements_.ForEach([&](uint32_t code) {
        list.assign(1, '[');
        json::AppendQuoted(std::get<std::string>(elements_.ValueOf(code)),
                           &list);
        list.push_back(']');
        if (Holds(predicate, list, evaluation.now_us())) {
          elements_.AddSlots(code, found);
        }
        return evaluation.Goes();
      });
    }
    found.Intersect(within);
    return found;
  }

  void CountValues(const SlotSet& within, Evaluation& evaluation,
                   ValueCounter visit) const override {
    SlotSet counted = within;
    counted.Intersect(present_);
    std::vector<int64_t> counts(elements_.codes());
    const bool all = counted.ForEach([&](uint32_t slot) {
      for (const uint32_t code : lists_[slot]) ++counts[code];
      return evaluation.Goes();
    });
    if (all) elements_.VisitCounts(counts, visit);
  }

  int64_t memory_bytes() const override {
    return static_cast<int64_t>(lists_.capacity() *
                                sizeof(std::vector<uint32_t>)) +
           list_bytes_ + present_.memory_bytes() + elements_.memory_bytes();
  }

 private:
  void Clear(uint32_t slot) {
    if (!present_.Has(slot)) return;
    present_.Remove(slot);
    for (const uint32_t code : lists_[slot]) elements_.Remove(code, slot);
    list_bytes_ -= static_cast<int64_t>(lists_[slot].size() * sizeof(uint32_t));
    lists_[slot] = {};
  }

  ValueIndex elements_;
  // The codes of each present slot's elements.
  std::vector<std::vector<uint32_t>> lists_;
  int64_t list_bytes_ = 0;
  SlotSet present_;
};

}  // namespace

bool Evaluation::Goes() {
  if (!ended_ && ++steps_ % kStepsBetweenLooks == 0) {
    ended_ = absl::Now() >= deadline_;
  }
  return !ended_;
}

std::unique_ptr<AttributeColumn> AttributeColumn::Of(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kTimestamp:
      return std::make_unique<NumberColumn<int64_t>>();
    case FieldType::kDouble:
      return std::make_unique<NumberColumn<double>>();
    case FieldType::kBool:
      return std::make_unique<BoolColumn>();
    case FieldType::kStrings:
      return std::make_unique<StringsColumn>();
    default:
      return std::make_unique<StringColumn>();
  }
}

}  // namespace engram::search
