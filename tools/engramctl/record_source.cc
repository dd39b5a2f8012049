#include "tools/engramctl/record_source.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/char_reader.h"
#include "tools/engramctl/csv_source.h"
#include "tools/engramctl/field_text.h"
#include "tools/engramctl/line_reader.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;
using schema::CollectionSpec;

// Reads the text of one object.
class ObjectReader {
 public:
  explicit ObjectReader(const CollectionSpec& spec) : spec_(spec) {}

  absl::Status Read(absl::string_view text, Struct* fields) {
    RETURN_IF_ERROR(parser_.ParseObject(text, fields));
    FitNumbers(spec_, fields);
    return absl::OkStatus();
  }

 private:
  const CollectionSpec& spec_;
  json::Parser parser_;
};

class JsonLinesSource : public RecordSource {
 public:
  JsonLinesSource(std::istream& in, const CollectionSpec& spec)
      : lines_(in), reader_(spec) {}

  absl::StatusOr<bool> Next() override {
    do {
      ASSIGN_OR_RETURN(const bool more, lines_.Next());
      if (!more) return false;
    } while (absl::StripAsciiWhitespace(lines_.line()).empty());
    return true;
  }

  absl::Status Read(Struct* fields) override {
    return reader_.Read(lines_.line(), fields);
  }

  absl::string_view text() const override { return lines_.line(); }
  int64_t line() const override { return lines_.number(); }
  int64_t bytes() const override { return lines_.bytes(); }

 private:
  LineReader lines_;
  ObjectReader reader_;
};

// Finds where the elements of an array end by brackets and quotes alone; what
// is between them is for the JSON parser.
class JsonArraySource : public RecordSource {
 public:
  JsonArraySource(std::istream& in, const CollectionSpec& spec)
      : chars_(in), reader_(spec) {}

  absl::StatusOr<bool> Next() override {
    text_.clear();
    if (ended_) return false;
    const bool first = !begun_;
    if (first) RETURN_IF_ERROR(Begin());
    ASSIGN_OR_RETURN(std::optional<char> c, SkipSpace());
    if (c == ']' && first) return End();
    if (!first && c == ',') {
      ASSIGN_OR_RETURN(c, SkipSpace());
    } else if (!first && c == ']') {
      return End();
    } else if (!first) {
      return Malformed("wants a comma or a closing bracket after a record");
    }
    line_ = chars_.line();
    return ReadElement(c);
  }

  absl::Status Read(Struct* fields) override {
    return reader_.Read(text_, fields);
  }

  absl::string_view text() const override { return text_; }
  int64_t line() const override { return line_; }
  int64_t bytes() const override { return chars_.bytes(); }

 private:
  absl::Status Malformed(absl::string_view problem) const {
    return absl::InvalidArgumentError(
        absl::StrCat("line ", chars_.line(), ": ", problem));
  }

  absl::StatusOr<std::optional<char>> SkipSpace() {
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<char> c, chars_.Get());
      if (!c.has_value() || !absl::ascii_isspace(*c)) return c;
    }
  }

  absl::Status Begin() {
    begun_ = true;
    RETURN_IF_ERROR(chars_.SkipByteOrderMark());
    ASSIGN_OR_RETURN(const std::optional<char> c, SkipSpace());
    if (c == '[') return absl::OkStatus();
    return Malformed(
        "is no JSON array; for one object a line give --format jsonl");
  }

  absl::StatusOr<bool> End() {
    ended_ = true;
    ASSIGN_OR_RETURN(const std::optional<char> c, SkipSpace());
    if (c.has_value()) return Malformed("has more after the array");
    return false;
  }

  // Reads the element that begins with `c`.
  absl::StatusOr<bool> ReadElement(std::optional<char> c) {
    int depth = 0;
    bool in_string = false;
    bool escaped = false;
    while (c.has_value()) {
      text_.push_back(*c);
      if (text_.size() > kMaxRecordBytes) {
        return Malformed(absl::StrCat("is in a record of more than ",
                                      kMaxRecordBytes, " bytes"));
      }
      if (in_string) {
        in_string = escaped || *c != '"';
        escaped = !escaped && *c == '\\';
      } else if (*c == '"') {
        in_string = true;
      } else if (*c == '{' || *c == '[') {
        ++depth;
      } else if (*c == '}' || *c == ']') {
        --depth;
      }
      ASSIGN_OR_RETURN(const std::optional<char> peeked, chars_.Peek());
      const char next = peeked.value_or(' ');
      if (depth <= 0 && !in_string && (next == ',' || next == ']')) {
        if (depth == 0) return true;
        return Malformed("closes what was not opened");
      }
      ASSIGN_OR_RETURN(c, chars_.Get());
    }
    return Malformed("ends in the middle of the array");
  }

  CharReader chars_;
  ObjectReader reader_;
  std::string text_;
  int64_t line_ = 0;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace

RecordFormat FormatOf(absl::string_view path) {
  if (absl::EndsWithIgnoreCase(path, ".csv")) return RecordFormat::kCsv;
  if (absl::EndsWithIgnoreCase(path, ".json")) return RecordFormat::kJson;
  return RecordFormat::kJsonLines;
}

absl::StatusOr<std::unique_ptr<RecordSource>> OpenRecordSource(
    RecordFormat format, std::istream& in, const CollectionSpec& spec,
    const std::string& id_field) {
  switch (format) {
    case RecordFormat::kJsonLines:
      return std::make_unique<JsonLinesSource>(in, spec);
    case RecordFormat::kJson:
      return std::make_unique<JsonArraySource>(in, spec);
    case RecordFormat::kCsv:
      return OpenCsvSource(in, spec, id_field);
  }
  return absl::InternalError("a source of no format");
}

}  // namespace engram::engramctl
