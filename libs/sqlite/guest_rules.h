// What a guest's SQL may do, as SQLite asks for each part of a statement.

#ifndef ENGRAM_LIBS_SQLITE_GUEST_RULES_H_
#define ENGRAM_LIBS_SQLITE_GUEST_RULES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace engram::sqlite {

// What a statement begins with, `EXPLAIN` left out.
enum class GuestVerb {
  // SELECT, VALUES, WITH or PRAGMA, the only ones that can be read-only.
  kRead,
  // Any other word, or none.
  kOther,
};

GuestVerb VerbOf(absl::string_view sql);

// Whether an action that sqlite3_set_authorizer describes by its code and its
// first two arguments, which may be null, is one that only reads. What is not
// known to be so is not. Otherwise `why` becomes a clause that follows the
// statement: what it may not do, and what it may.
bool MayGuest(GuestVerb verb, int action, const char* first, const char* second,
              std::string* why);

// `text` from its first byte on that is neither blank, comment nor semicolon.
absl::string_view SkipBlank(absl::string_view text);

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_GUEST_RULES_H_
