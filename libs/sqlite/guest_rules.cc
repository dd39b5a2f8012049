#include "libs/sqlite/guest_rules.h"

#include <sqlite3.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram::sqlite {
namespace {

// SQLite's functions that compute, all of them: those of a version to come must
// be looked at first. Left out are load_extension, sqlite_log, fts3_tokenizer,
// FTS3's optimize, which writes, and printf with its other name format, which
// counts to a width of 1,000,000,000 without being ended.
constexpr absl::string_view kFunctions[] = {"->",
                                            "->>",
                                            "abs",
                                            "acos",
                                            "acosh",
                                            "asin",
                                            "asinh",
                                            "atan",
                                            "atan2",
                                            "atanh",
                                            "avg",
                                            "bm25",
                                            "ceil",
                                            "ceiling",
                                            "changes",
                                            "char",
                                            "coalesce",
                                            "concat",
                                            "concat_ws",
                                            "cos",
                                            "cosh",
                                            "count",
                                            "cume_dist",
                                            "current_date",
                                            "current_time",
                                            "current_timestamp",
                                            "date",
                                            "datetime",
                                            "degrees",
                                            "dense_rank",
                                            "exp",
                                            "first_value",
                                            "floor",

                                            "glob",
                                            "group_concat",
                                            "hex",
                                            "highlight",
                                            "ifnull",
                                            "iif",
                                            "instr",
                                            "json",
                                            "json_array",
                                            "json_array_length",
                                            "json_error_position",
                                            "json_extract",
                                            "json_group_array",
                                            "json_group_object",
                                            "json_insert",
                                            "json_object",
                                            "json_patch",
                                            "json_quote",
                                            "json_remove",
                                            "json_replace",
                                            "json_set",
                                            "json_type",
                                            "json_valid",
                                            "julianday",
                                            "lag",
                                            "last_insert_rowid",
                                            "last_value",
                                            "lead",
                                            "length",
                                            "like",
                                            "likelihood",
                                            "likely",
                                            "ln",
                                            "log",
                                            "log10",
                                            "log2",
                                            "lower",
                                            "ltrim",
                                            "match",
                                            "max",
                                            "min",
                                            "mod",
                                            "nth_value",
                                            "ntile",
                                            "nullif",
                                            "octet_length",
                                            "percent_rank",
                                            "pi",
                                            "pow",
                                            "power",

                                            "quote",
                                            "radians",
                                            "random",
                                            "randomblob",
                                            "rank",
                                            "replace",
                                            "round",
                                            "row_number",
                                            "rtrim",
                                            "sign",
                                            "sin",
                                            "sinh",
                                            "snippet",
                                            "soundex",
                                            "sqlite_compileoption_get",
                                            "sqlite_compileoption_used",
                                            "sqlite_source_id",
                                            "sqlite_version",
                                            "sqrt",
                                            "strftime",
                                            "string_agg",
                                            "substr",
                                            "substring",
                                            "subtype",
                                            "sum",
                                            "tan",
                                            "tanh",
                                            "time",
                                            "timediff",
                                            "total",
                                            "total_changes",
                                            "trim",
                                            "trunc",
                                            "typeof",
                                            "unhex",
                                            "unicode",
                                            "unixepoch",
                                            "unlikely",
                                            "upper",
                                            "zeroblob"};

// PRAGMAs that tell of the schema, and take what they tell of as an argument.
constexpr absl::string_view kPragmas[] = {
    "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "table_info",       "table_list", "table_xinfo"};

// PRAGMAs that read without an argument, and would set something with one.
constexpr absl::string_view kPlainPragmas[] = {
    "collation_list", "compile_options", "data_version", "encoding",
    "freelist_count", "function_list",   "module_list",  "page_count",
    "page_size",      "schema_version",  "user_version"};

// Tables that modules make of what is no database content.
constexpr absl::string_view kRefusedTables[] = {"fts3tokenize", "sqlite_dbpage",
                                                "sqlite_stmt"};

constexpr absl::string_view kAllowed =
    "only SELECT, VALUES, EXPLAIN of these, and PRAGMA table_info and its like "
    "are";

// `names` is sorted; case does not matter.
template <typename Names>
bool Has(const Names& names, absl::string_view name) {
  return std::binary_search(std::begin(names), std::end(names),
                            absl::AsciiStrToLower(name));
}

bool MayRunPragma(absl::string_view name, bool has_argument) {
  return Has(kPragmas, name) || (!has_argument && Has(kPlainPragmas, name));
}

// Whether a module declares its table: SQLite does so as if it were created,
// and asks about the last part of that, although nothing is written. A
// statement of a person's that did it could not be compiled in any case: SQLite
// refuses to modify its schema so.
bool DeclaresTable(int action, absl::string_view table) {
  return action == SQLITE_UPDATE &&
         (table == "sqlite_master" || table == "sqlite_temp_master");
}

// The word at the begin of `text`, in capitals.
std::string FirstWord(absl::string_view text) {
  size_t size = 0;
  while (size < text.size() && absl::ascii_isalpha(text[size])) ++size;
  return absl::AsciiStrToUpper(text.substr(0, size));
}

}  // namespace

GuestVerb VerbOf(absl::string_view sql) {
  sql = SkipBlank(sql);
  for (const absl::string_view word : {"EXPLAIN", "QUERY", "PLAN"}) {
    if (FirstWord(sql) == word) sql = SkipBlank(sql.substr(word.size()));
  }
  const std::string verb = FirstWord(sql);
  return verb == "SELECT" || verb == "VALUES" || verb == "WITH" ||
                 verb == "PRAGMA"
             ? GuestVerb::kRead
             : GuestVerb::kOther;
}

bool MayGuest(GuestVerb verb, int action, const char* first, const char* second,
              std::string* why) {
  if (verb == GuestVerb::kRead &&
      DeclaresTable(action, first == nullptr ? "" : first)) {
    return true;
  }
  const absl::string_view name = first == nullptr ? "" : first;
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
      return true;
    case SQLITE_READ:
      if (!Has(kRefusedTables, name)) return true;
      *why = absl::StrCat("the table ", name, " is not to be read");
      return false;
    case SQLITE_FUNCTION: {
      const absl::string_view function = second == nullptr ? "" : second;
      if (Has(kFunctions, function)) return true;
      *why = absl::StrCat("the function ", function, "() is not allowed");
      return false;
    }
    case SQLITE_PRAGMA:
      if (MayRunPragma(name, second != nullptr)) return true;
      *why = absl::StrCat("PRAGMA ", name, second == nullptr ? "" : " (...)",
                          " is not allowed; ", kAllowed);
      return false;
    default:
      *why = absl::StrCat(
          "a statement that does more than read is not "
          "allowed; ",
          kAllowed);
      return false;
  }
}

absl::string_view SkipBlank(absl::string_view text) {
  while (!text.empty()) {
    size_t skipped = 0;
    if (absl::ascii_isspace(text[0]) || text[0] == ';') {
      skipped = 1;
    } else if (absl::StartsWith(text, "--")) {
      skipped = text.find('\n');
    } else if (absl::StartsWith(text, "/*")) {
      skipped = text.find("*/", 2);
      if (skipped != absl::string_view::npos) skipped += 2;
    } else {
      return text;
    }
    text.remove_prefix(std::min(skipped, text.size()));
  }
  return text;
}

}  // namespace engram::sqlite
