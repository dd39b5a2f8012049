#include "tools/engramctl/csv_source.h"

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/char_reader.h"
#include "tools/engramctl/field_text.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;
using schema::CollectionSpec;
using schema::FieldSpec;
using schema::FieldType;

struct Cell {
  std::string text;
  bool quoted = false;
};

// Says that there is no value, where an empty cell leaves a default alone.
constexpr absl::string_view kNoValue = "\\N";

// Whether the type has a value that is written as an empty text.
bool CanBeEmpty(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText ||
         type == FieldType::kBytes;
}

class CsvSource : public RecordSource {
 public:
  CsvSource(std::istream& in, const CollectionSpec& spec, std::string id_field)
      : chars_(in), spec_(spec), id_field_(std::move(id_field)) {}

  absl::Status ReadHeader() {
    RETURN_IF_ERROR(chars_.SkipByteOrderMark());
    ASSIGN_OR_RETURN(const bool any, Next());
    if (!any) return absl::InvalidArgumentError("has no header");
    RETURN_IF_ERROR(problem_);
    std::vector<absl::string_view> names = {id_field_};
    for (const FieldSpec& field : spec_.fields) names.push_back(field.name);
    std::set<std::string> seen;
    for (const Cell& cell : cells_) {
      const std::string name(absl::StripAsciiWhitespace(cell.text));
      const FieldSpec* field = spec_.FindField(name);
      if (field == nullptr && name != id_field_) {
        return absl::InvalidArgumentError(
            absl::StrCat("the header names \"", CutText(name, 80),
                         "\", which is no field of \"", spec_.name, "\"",
                         schema::DidYouMean(name, names)));
      }
      if (!seen.insert(name).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("the header names \"", name, "\" twice"));
      }
      columns_.push_back({name, name == id_field_ ? nullptr : field});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next() override {
    do {
      text_.clear();
      cells_.clear();
      problem_ = absl::OkStatus();
      ASSIGN_OR_RETURN(const std::optional<char> c, chars_.Peek());
      if (!c.has_value()) return false;
      RETURN_IF_ERROR(ReadRow());
    } while (cells_.size() == 1 && !cells_[0].quoted &&
             absl::StripAsciiWhitespace(cells_[0].text).empty());
    return true;
  }

  absl::Status Read(Struct* fields) override {
    RETURN_IF_ERROR(problem_);
    if (cells_.size() != columns_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("has ", cells_.size(), " values; the header has ",
                       columns_.size(), " names"));
    }
    for (size_t i = 0; i < cells_.size(); ++i) {
      const auto& [name, field] = columns_[i];
      const Cell& cell = cells_[i];
      if (cell.text.empty() &&
          (!cell.quoted || field == nullptr || !CanBeEmpty(field->type))) {
        continue;
      }
      if (cell.text == kNoValue && !cell.quoted && field != nullptr) {
        (*fields->mutable_fields())[name].set_null_value(
            google::protobuf::NULL_VALUE);
        continue;
      }
      auto value = ParseFieldText(
          field == nullptr ? FieldType::kString : field->type, cell.text);
      if (!value.ok()) return WithContext(value.status(), name);
      (*fields->mutable_fields())[name] = *std::move(value);
    }
    return absl::OkStatus();
  }

  absl::string_view text() const override { return text_; }
  int64_t line() const override { return line_; }
  int64_t bytes() const override { return chars_.bytes(); }

 private:
  struct Column {
    std::string name;
    // Null for the id.
    const FieldSpec* field;
  };

  // Reads one character of the row, nullopt where the row ends. Its newline,
  // of any kind, is taken too but is no part of text().
  absl::StatusOr<std::optional<char>> GetInRow() {
    ASSIGN_OR_RETURN(const std::optional<char> c, chars_.Get());
    if (!c.has_value() || *c == '\n') return std::optional<char>();
    if (*c == '\r') {
      ASSIGN_OR_RETURN(const std::optional<char> next, chars_.Peek());
      if (next == '\n') RETURN_IF_ERROR(chars_.Get().status());
      if (!next.has_value() || next == '\n') return std::optional<char>();
    }
    RETURN_IF_ERROR(Keep(*c));
    return c;
  }

  absl::Status Keep(char c) {
    text_.push_back(c);
    if (text_.size() <= kMaxRecordBytes) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "the record that begins in line ", line_, " has more than ",
        kMaxRecordBytes, " bytes; is a quote not closed?"));
  }

  absl::Status ReadRow() {
    bool first = true;
    while (true) {
      ASSIGN_OR_RETURN(std::optional<char> c, GetInRow());
      if (std::exchange(first, false)) line_ = chars_.line();
      Cell& cell = cells_.emplace_back();
      if (c == '"') {
        cell.quoted = true;
        ASSIGN_OR_RETURN(c, ReadQuoted(cell));
      } else {
        while (c.has_value() && *c != ',') {
          cell.text.push_back(*c);
          ASSIGN_OR_RETURN(c, GetInRow());
        }
      }
      if (!c.has_value()) return absl::OkStatus();
    }
  }

  // Reads the rest of a cell that began with a quote; returns the comma after
  // it, or nullopt at the end of the row.
  absl::StatusOr<std::optional<char>> ReadQuoted(Cell& cell) {
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<char> c, chars_.Get());
      if (!c.has_value()) {
        problem_ = absl::InvalidArgumentError("has a quote that is not closed");
        return c;
      }
      RETURN_IF_ERROR(Keep(*c));
      if (*c != '"') {
        cell.text.push_back(*c);
        continue;
      }
      ASSIGN_OR_RETURN(const std::optional<char> next, chars_.Peek());
      if (next != '"') break;
      RETURN_IF_ERROR(chars_.Get().status());
      RETURN_IF_ERROR(Keep('"'));
      cell.text.push_back('"');
    }
    ASSIGN_OR_RETURN(std::optional<char> c, GetInRow());
    while (c.has_value() && *c != ',') {
      problem_ = absl::InvalidArgumentError("has text after a closing quote");
      ASSIGN_OR_RETURN(c, GetInRow());
    }
    return c;
  }

  CharReader chars_;
  const CollectionSpec& spec_;
  const std::string id_field_;
  std::vector<Column> columns_;
  std::vector<Cell> cells_;
  std::string text_;
  // What is wrong with the record's quotes.
  absl::Status problem_;
  int64_t line_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RecordSource>> OpenCsvSource(
    std::istream& in, const CollectionSpec& spec, const std::string& id_field) {
  auto source = std::make_unique<CsvSource>(in, spec, id_field);
  RETURN_IF_ERROR(source->ReadHeader());
  return source;
}

}  // namespace engram::engramctl
