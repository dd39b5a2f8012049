#include "libs/sqlite/fts5_tokenizer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/sqlite/sqlite_error.h"
#include "libs/status/status_macros.h"

namespace engram::sqlite {
namespace {

// FTS5 hands out its functions through a pointer that it writes to a bound
// parameter; they live as long as the connection.
absl::StatusOr<fts5_api*> FindApi(sqlite3* db) {
  static constexpr char kSelect[] = "SELECT fts5(?1)";
  fts5_api* api = nullptr;
  sqlite3_stmt* select = nullptr;
  int code = sqlite3_prepare_v2(db, kSelect, -1, &select, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_bind_pointer(select, 1, &api, "fts5_api_ptr", nullptr);
    sqlite3_step(select);
    code = sqlite3_finalize(select);
  }
  if (code != SQLITE_OK) return ToStatus(code, db, kSelect);
  if (api == nullptr) return absl::InternalError("SQLite has no FTS5");
  return api;
}

}  // namespace

absl::StatusOr<Fts5Tokenizer> Fts5Tokenizer::Create(Connection& connection,
                                                    absl::string_view name) {
  ASSIGN_OR_RETURN(fts5_api * api, FindApi(connection.handle()));
  const std::vector<std::string> words = absl::StrSplit(name, ' ');
  void* context = nullptr;
  fts5_tokenizer methods;
  if (api->xFindTokenizer(api, words[0].c_str(), &context, &methods) !=
      SQLITE_OK) {
    return absl::NotFoundError(
        absl::StrCat("FTS5 has no tokenizer \"", words[0], "\""));
  }
  std::vector<const char*> arguments;
  for (size_t i = 1; i < words.size(); ++i) {
    arguments.push_back(words[i].c_str());
  }
  ::Fts5Tokenizer* tokenizer = nullptr;
  const int code =
      methods.xCreate(context, arguments.data(),
                      static_cast<int>(arguments.size()), &tokenizer);
  if (code != SQLITE_OK) return ToStatus(code, nullptr, name);
  return Fts5Tokenizer(methods, tokenizer);
}

Fts5Tokenizer::Fts5Tokenizer(Fts5Tokenizer&& other) noexcept
    : methods_(other.methods_),
      tokenizer_(std::exchange(other.tokenizer_, nullptr)) {}

Fts5Tokenizer::~Fts5Tokenizer() {
  if (tokenizer_ != nullptr) methods_.xDelete(tokenizer_);
}

absl::StatusOr<std::vector<std::string>> Fts5Tokenizer::Words(
    absl::string_view text, int purpose) {
  std::vector<std::string> words;
  const int code = methods_.xTokenize(
      tokenizer_, &words, purpose, text.data(), static_cast<int>(text.size()),
      [](void* context, int /*flags*/, const char* word, int size,
         int /*begin*/, int /*end*/) {
        static_cast<std::vector<std::string>*>(context)->emplace_back(word,
                                                                      size);
        return SQLITE_OK;
      });
  if (code != SQLITE_OK) return ToStatus(code, nullptr, "read words");
  return words;
}

absl::StatusOr<bool> Fts5Tokenizer::HasQueryWords(absl::string_view text) {
  bool found = false;
  // Ends at the first word.
  const int code =
      methods_.xTokenize(tokenizer_, &found, FTS5_TOKENIZE_QUERY, text.data(),
                         static_cast<int>(text.size()),
                         [](void* context, int, const char*, int, int, int) {
                           *static_cast<bool*>(context) = true;
                           return SQLITE_DONE;
                         });
  if (code != SQLITE_OK && code != SQLITE_DONE) {
    return ToStatus(code, nullptr, "read words");
  }
  return found;
}

}  // namespace engram::sqlite
