#include "services/storage/text_snippets.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/text_index.h"

namespace engram::storage {
namespace {

constexpr int kDefaultTokens = 18;
// FTS5's own bound.
constexpr int kMaxTokens = 64;
constexpr size_t kMaxMarkBytes = 64;

// What FTS5 is asked to mark words with: bytes that no UTF-8 has, so that they
// cannot be a part of the text, and tell whether it holds a word at all.
constexpr char kBegin = '\xff';
constexpr char kEnd = '\xfe';

std::string DecodeMark(const std::string& sent, absl::string_view fallback,
                       absl::string_view path, FieldViolations& violations) {
  if (sent.size() > kMaxMarkBytes) {
    violations.Add(path, absl::StrCat("has ", sent.size(),
                                      " bytes; give at most ", kMaxMarkBytes));
  }
  return sent.empty() ? std::string(fallback) : sent;
}

// The columns of fields that are named, in this order.
std::vector<int> DecodeColumns(const Collection& collection,
                               const v1::SnippetOptions& options,
                               FieldViolations& violations) {
  std::vector<int> columns;
  for (int i = 0; i < options.fields_size(); ++i) {
    const std::string path = absl::StrCat("snippets.fields[", i, "]");
    const int column =
        DecodeTextField(collection, options.fields(i), path, violations);
    if (std::find(columns.begin(), columns.end(), column) != columns.end()) {
      violations.Add(path, absl::StrCat("names \"", options.fields(i),
                                        "\" twice; name it once"));
    }
    if (column >= 0) columns.push_back(column);
  }
  if (options.fields().empty()) {
    columns.resize(collection.text_index->fields.size());
    for (size_t i = 0; i < columns.size(); ++i) columns[i] = i;
  }
  return columns;
}

}  // namespace

SnippetRules DecodeSnippetOptions(const Collection& collection,
                                  const v1::SnippetOptions& options,
                                  FieldViolations& violations) {
  SnippetRules rules;
  rules.columns = DecodeColumns(collection, options, violations);
  if (options.max_tokens() < 0) {
    violations.Add("snippets.max_tokens", "is negative; give 0 to 64");
  }
  rules.max_tokens = options.max_tokens() == 0
                         ? kDefaultTokens
                         : std::min(options.max_tokens(), kMaxTokens);
  rules.begin_mark =
      DecodeMark(options.begin_mark(), "[", "snippets.begin_mark", violations);
  rules.end_mark =
      DecodeMark(options.end_mark(), "]", "snippets.end_mark", violations);
  return rules;
}

absl::StatusOr<SnippetReader> SnippetReader::Create(
    sqlite::Connection& connection, const Collection& collection,
    const SnippetRules& rules, const std::string& match) {
  const std::string index = TextTableName(collection.id);
  std::string sql = "SELECT rowid";
  for (const int column : rules.columns) {
    absl::StrAppend(&sql, ", snippet(", index, ", ", column,
                    ", ?1, ?2, '...', ?3)");
  }
  absl::StrAppend(&sql, " FROM ", index, " WHERE ", index,
                  " MATCH ?4 AND rowid = ?5");
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(sql));
  select.BindText(1, absl::string_view(&kBegin, 1));
  select.BindText(2, absl::string_view(&kEnd, 1));
  select.BindInt(3, rules.max_tokens);
  select.BindText(4, match);
  return SnippetReader(std::move(select), collection, rules);
}

std::string SnippetReader::WithMarks(absl::string_view passage) const {
  std::string text;
  for (const char byte : passage) {
    if (byte == kBegin) {
      text.append(rules_.begin_mark);
    } else if (byte == kEnd) {
      text.append(rules_.end_mark);
    } else {
      text.push_back(byte);
    }
  }
  return text;
}

absl::Status SnippetReader::Read(
    int64_t row, google::protobuf::RepeatedPtrField<v1::TextSnippet>* out) {
  select_.Reset();
  select_.BindInt(5, row);
  ASSIGN_OR_RETURN(const bool found, select_.Step());
  if (!found) return absl::OkStatus();
  for (size_t i = 0; i < rules_.columns.size(); ++i) {
    const absl::string_view passage = select_.Text(static_cast<int>(i) + 1);
    // Where it found nothing, FTS5 gives the text's beginning.
    if (passage.find(kBegin) == absl::string_view::npos) continue;
    const int place = collection_.text_index->fields[rules_.columns[i]];
    v1::TextSnippet* snippet = out->Add();
    snippet->set_field(collection_.spec.fields[place].name);
    snippet->set_text(WithMarks(passage));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
