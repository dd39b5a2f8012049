#include "services/storage/cache_pattern.h"

#include <re2/re2.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxPatternBytes = 1024;
// The memory for a pattern's compiled form; one that needs more is refused.
constexpr int64_t kMaxCompiledBytes = 1 << 20;
// How much of a pattern's literal beginning narrows a scan.
constexpr int kMaxRangeBytes = 64;

// Takes the character that `text` begins with. UTF-8, as all text in requests.
absl::string_view TakeCharacter(absl::string_view& text) {
  size_t length = 1;
  while (length < text.size() &&
         (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
    ++length;
  }
  const absl::string_view character = text.substr(0, length);
  text.remove_prefix(length);
  return character;
}

// The same, or the one after a backslash; `is_plain` says that it stands for
// itself in any case.
absl::StatusOr<absl::string_view> TakeEscaped(absl::string_view& text,
                                              bool* is_plain = nullptr) {
  const absl::string_view character = TakeCharacter(text);
  if (is_plain != nullptr) *is_plain = character == "\\";
  if (character != "\\") return character;
  if (text.empty()) {
    return absl::InvalidArgumentError(
        "ends with a backslash; write \\\\ for one");
  }
  return TakeCharacter(text);
}

std::string Quoted(absl::string_view text) {
  return RE2::QuoteMeta(re2::StringPiece(text.data(), text.size()));
}

// Appends what follows a `[` of a glob as RE2 writes it.
absl::Status AppendSet(absl::string_view& glob, std::string* out) {
  *out += '[';
  if (!glob.empty() && glob[0] == '!') {
    *out += '^';
    glob.remove_prefix(1);
  }
  bool is_empty = true;
  while (!glob.empty()) {
    bool is_plain = false;
    ASSIGN_OR_RETURN(const absl::string_view from,
                     TakeEscaped(glob, &is_plain));
    if (from == "]" && !is_plain) {
      if (is_empty) {
        return absl::InvalidArgumentError(
            "has an empty set; write [\\]] for a bracket in it");
      }
      *out += ']';
      return absl::OkStatus();
    }
    is_empty = false;
    *out += Quoted(from);
    // A range, unless the hyphen is the set's last character.
    if (glob.size() < 2 || glob[0] != '-' || glob[1] == ']') continue;
    glob.remove_prefix(1);
    ASSIGN_OR_RETURN(const absl::string_view to, TakeEscaped(glob));
    if (to < from) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has the set ", from, "-", to, "; give the first first"));
    }
    absl::StrAppend(out, "-", Quoted(to));
  }
  return absl::InvalidArgumentError(
      "has a [ without its ]; write \\[ for a bracket");
}

// The expression that matches the same keys.
absl::StatusOr<std::string> TranslateGlob(absl::string_view glob) {
  std::string expression = "(?s)\\A";
  while (!glob.empty()) {
    bool is_plain = false;
    ASSIGN_OR_RETURN(const absl::string_view character,
                     TakeEscaped(glob, &is_plain));
    if (is_plain) {
      expression += Quoted(character);
    } else if (character == "*") {
      expression += ".*";
    } else if (character == "?") {
      expression += '.';
    } else if (character == "[") {
      RETURN_IF_ERROR(AppendSet(glob, &expression));
    } else {
      expression += Quoted(character);
    }
  }
  return expression + "\\z";
}

absl::StatusOr<std::unique_ptr<const RE2>> Compile(
    const v1::KeyPattern& pattern) {
  const bool is_glob = pattern.has_glob();
  const std::string& text = is_glob ? pattern.glob() : pattern.regex();
  if (text.empty() || text.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "has ", text.size(), " bytes; give 1 to ", kMaxPatternBytes,
        is_glob ? ", * for all keys" : ", . for all keys"));
  }
  std::string expression = text;
  if (is_glob) {
    ASSIGN_OR_RETURN(expression, TranslateGlob(text));
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxCompiledBytes);
  auto compiled = std::make_unique<const RE2>(expression, options);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(is_glob ? "cannot be used: " : "is no RE2 pattern: ",
                     compiled->error()));
  }
  return compiled;
}

}  // namespace

CachePattern::CachePattern() = default;
CachePattern::CachePattern(CachePattern&&) noexcept = default;
CachePattern& CachePattern::operator=(CachePattern&&) noexcept = default;
CachePattern::~CachePattern() = default;

CachePattern CachePattern::Make(const v1::KeyPattern& pattern,
                                absl::string_view path,
                                FieldViolations& violations) {
  CachePattern result;
  if (pattern.pattern_case() == v1::KeyPattern::PATTERN_NOT_SET) {
    violations.Add(path, "is empty; give a glob or a regex");
    return result;
  }
  absl::StatusOr<std::unique_ptr<const RE2>> compiled = Compile(pattern);
  if (!compiled.ok()) {
    violations.Add(absl::StrCat(path, pattern.has_glob() ? ".glob" : ".regex"),
                   compiled.status().message());
    return result;
  }
  result.expression_ = *std::move(compiled);
  // RE2 takes the expression to begin where the text does; a regex need not.
  if (!pattern.has_glob() ||
      !result.expression_->PossibleMatchRange(&result.first_, &result.last_,
                                              kMaxRangeBytes)) {
    result.first_.clear();
    result.last_.clear();
  }
  return result;
}

bool CachePattern::Matches(absl::string_view key) const {
  return expression_ == nullptr ||
         RE2::PartialMatch(re2::StringPiece(key.data(), key.size()),
                           *expression_);
}

}  // namespace engram::storage
