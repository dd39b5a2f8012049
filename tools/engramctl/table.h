// Text laid out in columns.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_TABLE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace engram::engramctl {

// How many cells of a terminal `text` takes: East Asian characters and most
// emoji take two, combining marks none.
int DisplayWidth(absl::string_view text);

// `text` safe to show in one line: white space of any kind becomes one space,
// and control characters, which could command the terminal, become U+FFFD.
std::string OneLine(absl::string_view text);

// `text`, one line, cut to `width` cells with an ellipsis at the end if it is
// wider.
std::string Fit(absl::string_view text, int width);

// The words of `text`, one line, in lines of at most `width` cells; a longer
// word is split.
std::vector<std::string> Wrap(absl::string_view text, int width);

// `number` with commas between the thousands.
std::string WithCommas(int64_t number);

// `bytes` with a unit: "12.3 MB", in thousands.
std::string HumanBytes(int64_t bytes);

// Billionths of a US dollar as dollars: "$0.0247".
std::string CostText(int64_t nanousd);

// How long something takes, in whole seconds, from an hour on in minutes:
// "7m42s".
std::string DurationText(absl::Duration duration);

// A table that is narrowed to fit: the widest columns give way first, numbers
// never.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string header;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);

  // `cells` has one text for each column.
  void AddRow(std::vector<std::string> cells);

  bool empty() const { return rows_.empty(); }

  // The header and the rows, a newline after each, no line wider than `width`
  // as long as each column has a few cells.
  std::string Render(int width) const;

 private:
  std::vector<int> ColumnWidths(int width) const;

  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_TABLE_H_
