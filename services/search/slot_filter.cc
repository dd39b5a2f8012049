#include "services/search/slot_filter.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "libs/filter/evaluate.h"
#include "libs/schema/field_value.h"

namespace engram::search {
namespace {

using filter::Node;
using filter::Operator;
using schema::FieldValue;

class Finder {
 public:
  Finder(ColumnOf column, Evaluation& evaluation)
      : column_(column), evaluation_(evaluation) {}

  // The slots of `within` that meet the condition. What each operand leaves is
  // all that the next one looks at.
  SlotSet Find(const Node& condition, const SlotSet& within) {
    if (within.empty()) return SlotSet();
    switch (condition.op) {
      case Operator::kAnd: {
        SlotSet left = within;
        for (const Node* operand : FastFirst(condition)) {
          left = Find(*operand, left);
        }
        return left;
      }
      case Operator::kOr: {
        SlotSet found;
        SlotSet rest = within;
        for (const Node* operand : FastFirst(condition)) {
          const SlotSet more = Find(*operand, rest);
          rest.Subtract(more);
          found.Unite(more);
        }
        return found;
      }
      case Operator::kNot: {
        SlotSet found = within;
        found.Subtract(Find(condition.operands[0], within));
        return found;
      }
      default:
        return FindByPredicate(condition, within);
    }
  }

 private:
  // What uses several fields is looked at slot by slot: last, when others have
  // left few.
  static std::vector<const Node*> FastFirst(const Node& junction) {
    std::vector<const Node*> operands;
    for (const Node& operand : junction.operands) operands.push_back(&operand);
    std::stable_partition(operands.begin(), operands.end(),
                          [](const Node* operand) {
                            return filter::PlacesUsed(*operand).size() <= 1;
                          });
    return operands;
  }

  SlotSet FindByPredicate(const Node& predicate, const SlotSet& within) {
    const std::vector<int> places = filter::PlacesUsed(predicate);
    if (places.empty()) {
      static const FieldValue* const none = new FieldValue();
      const bool holds = filter::Matches(
          predicate, [](int) -> const FieldValue& { return *none; },
          evaluation_.now_us());
      return holds ? within : SlotSet();
    }
    if (places.size() == 1) {
      std::optional<SlotSet> found =
          column_(places[0])->Find(predicate, within, evaluation_);
      if (found.has_value()) return *std::move(found);
    }
    return FindOneByOne(predicate, places, within);
  }

  SlotSet FindOneByOne(const Node& predicate, const std::vector<int>& places,
                       const SlotSet& within) {
    std::vector<const AttributeColumn*> columns;
    columns.reserve(places.size());
    for (const int place : places) columns.push_back(column_(place));
    std::vector<FieldValue> values(places.size());
    const auto value_of = [&](int place) -> const FieldValue& {
      return values[std::lower_bound(places.begin(), places.end(), place) -
                    places.begin()];
    };
    SlotSet found;
    within.ForEach([&](uint32_t slot) {
      for (size_t i = 0; i < columns.size(); ++i) {
        values[i] = columns[i]->Get(slot);
      }
      if (filter::Matches(predicate, value_of, evaluation_.now_us())) {
        found.Add(slot);
      }
      return evaluation_.Goes();
    });
    return found;
  }

  const ColumnOf column_;
  Evaluation& evaluation_;
};

}  // namespace

absl::StatusOr<SlotSet> FindSlots(const filter::Node& condition,
                                  const SlotSet& within, ColumnOf column,
                                  Evaluation& evaluation) {
  SlotSet found = Finder(column, evaluation).Find(condition, within);
  if (evaluation.ended()) {
    return absl::DeadlineExceededError(
        "the filter takes longer than the call may");
  }
  return found;
}

}  // namespace engram::search
