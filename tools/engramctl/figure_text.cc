#include "tools/engramctl/figure_text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {
namespace {

using storage::v1::Aggregation;
using storage::v1::GroupKey;
using storage::v1::TimeBucket;

constexpr std::pair<absl::string_view, Aggregation::Function> kFunctions[] = {
    {"count", Aggregation::FUNCTION_COUNT},
    {"distinct", Aggregation::FUNCTION_COUNT_DISTINCT},
    {"sum", Aggregation::FUNCTION_SUM},
    {"avg", Aggregation::FUNCTION_AVG},
    {"min", Aggregation::FUNCTION_MIN},
    {"max", Aggregation::FUNCTION_MAX},
};

constexpr std::pair<absl::string_view, TimeBucket> kBuckets[] = {
    {"minute", storage::v1::TIME_BUCKET_MINUTE},
    {"hour", storage::v1::TIME_BUCKET_HOUR},
    {"day", storage::v1::TIME_BUCKET_DAY},
    {"week", storage::v1::TIME_BUCKET_WEEK},
    {"month", storage::v1::TIME_BUCKET_MONTH},
    {"quarter", storage::v1::TIME_BUCKET_QUARTER},
    {"year", storage::v1::TIME_BUCKET_YEAR},
};

bool IsName(absl::string_view text) {
  return !text.empty() && !absl::ascii_isdigit(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

// Takes `name=` off the front of `text`; nothing if it does not begin so.
absl::string_view TakeName(absl::string_view& text) {
  const size_t end = text.find('=');
  if (end == absl::string_view::npos) return {};
  const absl::string_view name =
      absl::StripAsciiWhitespace(text.substr(0, end));
  if (!IsName(name)) return {};
  text.remove_prefix(end + 1);
  text = absl::StripAsciiWhitespace(text);
  return name;
}

// The parts of `text` between the commas that no parentheses and no quotes are
// around.
std::vector<absl::string_view> SplitArguments(absl::string_view text) {
  std::vector<absl::string_view> arguments;
  size_t begin = 0;
  int depth = 0;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != '\0') {
      if (c == '\\') ++i;
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'' || c == '`') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      --depth;
    } else if (c == ',' && depth == 0) {
      arguments.push_back(
          absl::StripAsciiWhitespace(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  arguments.push_back(absl::StripAsciiWhitespace(text.substr(begin)));
  return arguments;
}

absl::Status FigureError(absl::string_view text, absl::string_view problem) {
  return InvalidField(absl::StrCat("figure \"", CutText(text, 64), "\""),
                      problem);
}

absl::Status SetFunction(absl::string_view text, absl::string_view function,
                         Aggregation& figure) {
  for (const auto& [name, value] : kFunctions) {
    if (function == name) figure.set_function(value);
  }
  if (figure.function() != Aggregation::FUNCTION_UNSPECIFIED) {
    return absl::OkStatus();
  }
  return FigureError(text,
                     "has no function that storage knows; write one such as "
                     "count(), n=count(), sum(cost), avg(score, weight), "
                     "distinct(kind), min(at) or max(at)");
}

absl::Status SetName(absl::string_view text, absl::string_view function,
                     Aggregation& figure) {
  if (figure.expression().empty()) {
    figure.set_name(std::string(function));
  } else if (IsName(figure.expression()) && figure.weight().empty()) {
    figure.set_name(absl::StrCat(function, "_",
                                 absl::StripPrefix(figure.expression(), "_")));
  } else {
    return FigureError(text, "needs a name; write name=function(expression)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Aggregation> ParseFigure(absl::string_view text) {
  Aggregation figure;
  absl::string_view call = absl::StripAsciiWhitespace(text);
  figure.set_name(std::string(TakeName(call)));
  const size_t open = call.find('(');
  const absl::string_view function =
      absl::StripAsciiWhitespace(call.substr(0, open));
  RETURN_IF_ERROR(SetFunction(text, function, figure));
  if (open == absl::string_view::npos || call.back() != ')') {
    return FigureError(text, "wants parentheses, such as count()");
  }
  const std::vector<absl::string_view> arguments =
      SplitArguments(call.substr(open + 1, call.size() - open - 2));
  const size_t most = figure.function() == Aggregation::FUNCTION_AVG ? 2 : 1;
  if (arguments.size() > most) {
    return FigureError(text, absl::StrCat(function, " takes one expression",
                                          most == 2 ? " and a weight" : ""));
  }
  figure.set_expression(std::string(arguments[0]));
  if (arguments.size() == 2) figure.set_weight(std::string(arguments[1]));
  if (figure.name().empty()) {
    RETURN_IF_ERROR(SetName(text, function, figure));
  }
  return figure;
}

absl::StatusOr<GroupKey> ParseGroupKey(absl::string_view text) {
  GroupKey key;
  absl::string_view field = absl::StripAsciiWhitespace(text);
  key.set_name(std::string(TakeName(field)));
  const size_t colon = field.rfind(':');
  const absl::string_view before = field.substr(0, colon);
  // Elsewhere a colon begins a parameter.
  const bool has_bucket = colon != absl::string_view::npos &&
                          (IsName(before) || absl::EndsWith(before, ")"));
  if (has_bucket) {
    const absl::string_view wanted = field.substr(colon + 1);
    for (const auto& [name, value] : kBuckets) {
      if (wanted == name) key.set_bucket(value);
    }
    if (key.bucket() == storage::v1::TIME_BUCKET_UNSPECIFIED) {
      return InvalidField(
          absl::StrCat("--by ", CutText(text, 64)),
          absl::StrCat("\"", CutText(wanted, 32),
                       "\" is no interval; write minute, hour, day, week, "
                       "month, quarter or year"));
    }
    field = before;
  }
  key.set_field(std::string(field));
  return key;
}

}  // namespace engram::engramctl
