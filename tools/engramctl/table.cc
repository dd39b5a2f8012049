#include "tools/engramctl/table.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace engram::engramctl {
namespace {

// A left-aligned column is never narrower: enough to tell its values apart.
constexpr int kMinColumnWidth = 8;
constexpr absl::string_view kGap = "  ";
constexpr absl::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD.

// One code point: its bytes, value and width in cells.
struct Character {
  absl::string_view bytes;
  int32_t code_point = 0;
  int width = 0;
};

// Takes the first character off `text`; a byte that is no UTF-8 counts as
// U+FFFD.
Character TakeCharacter(absl::string_view& text) {
  Character character;
  const auto length = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &character.code_point);
  if (length <= 0) {
    character = {kReplacement, 0xFFFD, 1};
    text.remove_prefix(1);
    return character;
  }
  character.bytes = text.substr(0, length);
  character.width = utf8proc_charwidth(character.code_point);
  text.remove_prefix(length);
  return character;
}

bool IsControl(int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_CC:
      return true;
    // Format characters can turn the direction of text around; the joiners that
    // emoji are made with cannot.
    case UTF8PROC_CATEGORY_CF:
      return code_point != 0x200C && code_point != 0x200D;
    default:
      return false;
  }
}

bool IsSpace(int32_t code_point) {
  switch (utf8proc_category(code_point)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return code_point >= '\t' && code_point <= '\r';
  }
}

// The longest beginning of `text` that is at most `width` cells wide, whole
// characters with their combining marks.
absl::string_view Beginning(absl::string_view text, int width) {
  absl::string_view rest = text;
  size_t end = 0;
  while (!rest.empty()) {
    width -= TakeCharacter(rest).width;
    if (width < 0) break;
    end = text.size() - rest.size();
  }
  return text.substr(0, end);
}

std::string Pad(absl::string_view text, int width, Table::Align align) {
  const std::string padding(std::max(0, width - DisplayWidth(text)), ' ');
  return align == Table::Align::kLeft ? absl::StrCat(text, padding)
                                      : absl::StrCat(padding, text);
}

}  // namespace

int DisplayWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) width += TakeCharacter(text).width;
  return width;
}

std::string OneLine(absl::string_view text) {
  std::string line;
  bool space = false;
  while (!text.empty()) {
    const Character character = TakeCharacter(text);
    if (IsSpace(character.code_point)) {
      space = true;
      continue;
    }
    if (space && !line.empty()) line.push_back(' ');
    space = false;
    const absl::string_view bytes =
        IsControl(character.code_point) ? kReplacement : character.bytes;
    line.append(bytes.data(), bytes.size());
  }
  return line;
}

std::string Fit(absl::string_view text, int width) {
  std::string line = OneLine(text);
  if (DisplayWidth(line) <= width) return line;
  if (width < 1) return "";
  return absl::StrCat(Beginning(line, width - 1), "…");
}

std::vector<std::string> Wrap(absl::string_view text, int width) {
  width = std::max(width, 2);  // Room for one wide character.
  std::vector<std::string> lines;
  const std::string line = OneLine(text);
  absl::string_view rest = line;
  while (DisplayWidth(rest) > width) {
    absl::string_view part = Beginning(rest, width);
    const bool ends_word = rest[part.size()] == ' ';
    const size_t space = part.rfind(' ');
    if (!ends_word && space != absl::string_view::npos) {
      part = part.substr(0, space);
    }
    lines.emplace_back(part);
    rest.remove_prefix(part.size());
    if (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  }
  if (!rest.empty() || lines.empty()) lines.emplace_back(rest);
  return lines;
}

std::string WithCommas(int64_t number) {
  std::string digits = absl::StrCat(number);
  const size_t begin = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > begin + 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string HumanBytes(int64_t bytes) {
  static constexpr const char* kUnits[] = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  double amount = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  // 999.95 would round to 1000.0.
  while (amount >= 999.95 && unit + 1 < std::size(kUnits)) {
    amount /= 1000;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", amount, kUnits[unit]);
}

std::string CostText(int64_t nanousd) {
  return absl::StrFormat("$%.4f", static_cast<double>(nanousd) * 1e-9);
}

std::string DurationText(absl::Duration duration) {
  const absl::Duration unit =
      duration >= absl::Hours(1) ? absl::Minutes(1) : absl::Seconds(1);
  return absl::FormatDuration(absl::Ceil(duration, unit));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = OneLine(cell);
  rows_.push_back(std::move(cells));
}

std::vector<int> Table::ColumnWidths(int width) const {
  std::vector<int> widths, least;
  int total = static_cast<int>(kGap.size() * (columns_.size() - 1));
  for (size_t i = 0; i < columns_.size(); ++i) {
    int natural = DisplayWidth(columns_[i].header);
    for (const auto& row : rows_)
      natural = std::max(natural, DisplayWidth(row[i]));
    widths.push_back(natural);
    least.push_back(columns_[i].align == Align::kRight
                        ? natural
                        : std::min(natural, kMinColumnWidth));
    total += natural;
  }
  // Columns are few and widths small, so one cell at a time is quick enough
  // once no column is wider than the table.
  for (size_t i = 0; i < widths.size(); ++i) {
    if (columns_[i].align == Align::kRight || widths[i] <= width) continue;
    total -= widths[i] - std::max(width, least[i]);
    widths[i] = std::max(width, least[i]);
  }
  while (total > width) {
    int widest = -1;
    for (size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > least[i] && (widest < 0 || widths[i] > widths[widest])) {
        widest = static_cast<int>(i);
      }
    }
    if (widest < 0) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::Render(int width) const {
  const std::vector<int> widths = ColumnWidths(width);
  std::string out;
  const auto add_line = [&](const auto& text_of) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      absl::StrAppend(
          &line, i == 0 ? "" : kGap,
          Pad(Fit(text_of(i), widths[i]), widths[i], columns_[i].align));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  };
  add_line([&](size_t i) { return columns_[i].header; });
  for (const auto& row : rows_) {
    add_line([&](size_t i) { return row[i]; });
  }
  return out;
}

}  // namespace engram::engramctl
