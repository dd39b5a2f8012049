#include "libs/sqlite/guest_connection.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "libs/sqlite/guest_rules.h"
#include "libs/sqlite/sqlite_error.h"
#include "libs/sqlite/temp_space.h"
#include "libs/status/status_macros.h"

namespace engram::sqlite {
namespace {

// Steps of SQLite's machine between two questions: some 100 us.
constexpr int kStepsBetweenQuestions = 20'000;

struct Limit {
  int id;
  int value;
};

// Beside the lengths: what bounds the time and the stack that compiling takes,
// and that single functions take. A collection has some 270 columns at most.
constexpr Limit kLimits[] = {
    {SQLITE_LIMIT_COLUMN, 1000},
    {SQLITE_LIMIT_EXPR_DEPTH, 500},
    {SQLITE_LIMIT_COMPOUND_SELECT, 50},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256},
    {SQLITE_LIMIT_VARIABLE_NUMBER, 1000},
    {SQLITE_LIMIT_ATTACHED, 0},
};

bool BeginsCharacter(char byte) { return (byte & 0xC0) != 0x80; }

// Where `offset`, in bytes, is: "column 3", or "line 2, column 3" of a text of
// several lines; columns are characters.
std::string PlaceInText(absl::string_view text, size_t offset) {
  const absl::string_view before = text.substr(0, offset);
  const auto newline = before.rfind('\n');
  const absl::string_view line =
      newline == absl::string_view::npos ? before : before.substr(newline + 1);
  const auto column =
      std::count_if(line.begin(), line.end(), BeginsCharacter) + 1;
  if (text.find('\n') == absl::string_view::npos) {
    return absl::StrCat("column ", column);
  }
  return absl::StrCat("line ",
                      std::count(before.begin(), before.end(), '\n') + 1,
                      ", column ", column);
}

}  // namespace

GuestConnection::GuestConnection(Limits limits)
    : limits_(limits), budget_(limits.memory_bytes) {}

GuestConnection::~GuestConnection() { sqlite3_close(db_); }

absl::StatusOr<std::unique_ptr<GuestConnection>> GuestConnection::Open(
    const std::string& path, Limits limits) {
  auto connection = absl::WrapUnique(new GuestConnection(limits));
  // For writing, as a reader of a write-ahead log must be able to build its
  // shared-memory index.
  const int code = sqlite3_open_v2(
      path.c_str(), &connection->db_,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      BoundedTempSpaceVfs());
  if (code != SQLITE_OK) {
    return ToStatus(code, connection->db_, absl::StrCat("open ", path));
  }
  RETURN_IF_ERROR(connection->Configure());
  return connection;
}

absl::Status GuestConnection::Configure() {
  sqlite3_busy_timeout(db_, 5000);
  // Without these the schema could not be written to either; but they stop what
  // the authorizer does not see, such as pages written through a module.
  for (const auto& [option, value] :
       {std::pair(SQLITE_DBCONFIG_DEFENSIVE, 1),
        std::pair(SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        std::pair(SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)}) {
    int now = -1;
    const int code = sqlite3_db_config(db_, option, value, &now);
    if (code != SQLITE_OK || now != value) {
      return absl::InternalError(
          absl::StrCat("SQLite does not take option ", option));
    }
  }
  // Memory is bounded, and more so than what a query may have to sort.
  RETURN_IF_ERROR(
      SetPragma("PRAGMA temp_store = FILE", "PRAGMA temp_store", 1));
  RETURN_IF_ERROR(SetPragma("PRAGMA mmap_size = 0", "PRAGMA mmap_size", 0));
  RETURN_IF_ERROR(
      SetPragma("PRAGMA cache_size = -16384", "PRAGMA cache_size", -16384));
  RETURN_IF_ERROR(
      SetPragma("PRAGMA cell_size_check = ON", "PRAGMA cell_size_check", 1));
  RETURN_IF_ERROR(SetPragma("PRAGMA query_only = ON", "PRAGMA query_only", 1));
  sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, limits_.value_bytes);
  sqlite3_limit(db_, SQLITE_LIMIT_SQL_LENGTH, limits_.sql_bytes);
  for (const Limit& limit : kLimits) sqlite3_limit(db_, limit.id, limit.value);
  sqlite3_set_authorizer(
      db_,
      [](void* self, int action, const char* first, const char* second,
         const char*, const char*) {
        std::string why;
        auto* const connection = static_cast<GuestConnection*>(self);
        if (MayGuest(connection->verb_, action, first, second, &why)) {
          return SQLITE_OK;
        }
        std::string& refused = connection->refused_;
        if (refused.empty()) refused = std::move(why);
        return SQLITE_DENY;
      },
      this);
  return absl::OkStatus();
}

absl::Status GuestConnection::SetPragma(const char* set, const char* read,
                                        int64_t expected) {
  int code = sqlite3_exec(db_, set, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return ToStatus(code, db_, set);
  sqlite3_stmt* statement = nullptr;
  code = sqlite3_prepare_v2(db_, read, -1, &statement, nullptr);
  if (code != SQLITE_OK) return ToStatus(code, db_, read);
  const bool found = sqlite3_step(statement) == SQLITE_ROW;
  const int64_t actual = found ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  // A pragma of a build without it answers nothing.
  if (actual == expected) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(read, " is ", actual, " after ", set));
}

void GuestConnection::EndWhen(std::function<bool()> is_over) {
  is_over_ = std::move(is_over);
  sqlite3_progress_handler(
      db_, kStepsBetweenQuestions,
      [](void* self) {
        return static_cast<GuestConnection*>(self)->is_over_() ? 1 : 0;
      },
      this);
}

absl::StatusOr<GuestStatement> GuestConnection::Compile(absl::string_view sql) {
  if (sql.size() > static_cast<size_t>(limits_.sql_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", sql.size(), " bytes; at most ", limits_.sql_bytes,
                     " are allowed"));
  }
  // SQLite would take it for the end.
  if (const size_t nul = sql.find('\0'); nul != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(PlaceInText(sql, nul), ": holds a NUL character"));
  }
  const absl::string_view text = SkipBlank(sql);
  if (text.empty()) return absl::InvalidArgumentError("holds no statement");
  refused_.clear();
  verb_ = VerbOf(text);
  sqlite3_stmt* compiled = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(
      db_, text.data(), static_cast<int>(text.size()), 0, &compiled, &tail);
  if (code != SQLITE_OK) return CompileError(code, sql, text);
  GuestStatement statement(&refused_, compiled);
  const absl::string_view rest =
      SkipBlank(text.substr(static_cast<size_t>(tail - text.data())));
  if (!rest.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        PlaceInText(sql, static_cast<size_t>(rest.data() - sql.data())),
        ": a second statement begins; send one at a time"));
  }
  if (sqlite3_stmt_readonly(compiled) == 0) {
    std::string why;
    // Of a kind that the authorizer is not asked about, such as VACUUM.
    MayGuest(verb_, /*action=*/-1, nullptr, nullptr, &why);
    return absl::InvalidArgumentError(why);
  }
  return statement;
}

absl::Status GuestConnection::CompileError(int code, absl::string_view sql,
                                           absl::string_view text) const {
  const absl::Status status = GuestError(code, db_, refused_);
  const int offset = sqlite3_error_offset(db_);
  if (!absl::IsInvalidArgument(status) || offset < 0) return status;
  return absl::InvalidArgumentError(absl::StrCat(
      PlaceInText(sql, static_cast<size_t>(text.data() - sql.data() + offset)),
      ": ", status.message()));
}

}  // namespace engram::sqlite
