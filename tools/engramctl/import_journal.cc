#include "tools/engramctl/import_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/json/json.h"
#include "libs/schema/field_value.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;

// Stored. A state of another form is refused.
constexpr absl::string_view kStateFormat = "engram-import/1";
constexpr int64_t kMaxStateBytes = 64 << 10;
constexpr absl::Duration kSaveInterval = absl::Seconds(1);

std::string RandomId() {
  std::random_device random;
  return absl::StrFormat("import-%08x%08x", random(), random());
}

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

absl::Status Remove(const std::string& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  return error ? absl::ErrnoToStatus(error.value(), path) : absl::OkStatus();
}

bool WriteAll(int file, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Replaces the file as a whole, on disk when this returns.
absl::Status ReplaceFile(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  const int file =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return absl::ErrnoToStatus(errno, temporary);
  const bool written = WriteAll(file, text) && fsync(file) == 0;
  const int problem = errno;
  close(file);
  if (!written) return absl::ErrnoToStatus(problem, temporary);
  if (std::rename(temporary.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, path);
}

std::string TextOf(const Struct& state, const std::string& key) {
  const auto value = state.fields().find(key);
  return value == state.fields().end() ? "" : value->second.string_value();
}

// Numbers are texts in the file, as 64 bits do not fit JSON's.
template <typename Number>
absl::Status ReadNumber(const Struct& state, const std::string& key,
                        Number& number) {
  if (absl::SimpleAtoi(TextOf(state, key), &number)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("has no number \"", key, "\""));
}

}  // namespace

ImportJournal::ImportJournal(JournalOptions options)
    : options_(std::move(options)) {
  start_.run_id = RandomId();
}

ImportJournal::~ImportJournal() {
  if (rejects_file_ >= 0) close(rejects_file_);
}

absl::StatusOr<std::unique_ptr<ImportJournal>> ImportJournal::Open(
    JournalOptions options) {
  std::unique_ptr<ImportJournal> journal(new ImportJournal(std::move(options)));
  RETURN_IF_ERROR(journal->Begin());
  return journal;
}

absl::Status ImportJournal::Begin() {
  const bool has_state =
      !options_.state_path.empty() && Exists(options_.state_path);
  if (has_state && !options_.resume) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an import of this file was interrupted: --resume goes on from there; "
        "to begin again remove ",
        options_.state_path));
  }
  if (has_state) {
    std::ifstream none;
    ASSIGN_OR_RETURN(const std::string text,
                     ReadInput(options_.state_path, none, kMaxStateBytes));
    return WithContext(Load(text), options_.state_path);
  }
  if (Exists(options_.rejects_path)) {
    if (!options_.replaces_rejects) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.rejects_path,
                       ": exists; name another file for what is rejected"));
    }
    RETURN_IF_ERROR(Remove(options_.rejects_path));
  }
  // Before a record is sent, as the request ids are in it.
  const absl::Status saved = Save();
  if (!options_.state_is_optional) return saved;
  resumable_ = saved;
  return absl::OkStatus();
}

absl::Status ImportJournal::Load(const std::string& text) {
  Struct state;
  json::Parser parser;
  RETURN_IF_ERROR(parser.ParseObject(text, &state));
  if (TextOf(state, "format") != kStateFormat) {
    return absl::InvalidArgumentError(
        "is no state that this engramctl wrote; remove it to begin again");
  }
  if (TextOf(state, "import") != options_.identity) {
    return absl::InvalidArgumentError(
        absl::StrCat("is of another import, ", TextOf(state, "import"),
                     "; remove it to begin again"));
  }
  start_.run_id = TextOf(state, "run");
  ImportResult& done = start_.done;
  RETURN_IF_ERROR(ReadNumber(state, "line", done.line));
  RETURN_IF_ERROR(ReadNumber(state, "bytes", done.bytes));
  RETURN_IF_ERROR(ReadNumber(state, "hash", done.hash));
  RETURN_IF_ERROR(ReadNumber(state, "records", done.records));
  RETURN_IF_ERROR(ReadNumber(state, "rejected", done.rejected));
  RETURN_IF_ERROR(ReadNumber(state, "rejects_bytes", rejects_bytes_));
  done.position = TextOf(state, "position");
  result_ = done;
  if (!Exists(options_.rejects_path)) {
    if (rejects_bytes_ == 0) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(
        "there is no ", options_.rejects_path, " any more, which had ",
        done.rejected, " rejected records; remove the state to begin again"));
  }
  std::error_code error;
  if (std::filesystem::file_size(options_.rejects_path, error) <
      static_cast<uint64_t>(rejects_bytes_)) {
    return absl::DataLossError(
        absl::StrCat(options_.rejects_path,
                     " has lost records; remove the state to begin again"));
  }
  // What was rejected after this state will be rejected again.
  std::filesystem::resize_file(options_.rejects_path, rejects_bytes_, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), options_.rejects_path);
}

absl::Status ImportJournal::Save() {
  next_save_ = absl::Now() + kSaveInterval;
  if (options_.state_path.empty() || !resumable_.ok()) return absl::OkStatus();
  // A state must not count what a power cut can still take back.
  if (rejects_file_ >= 0 && fsync(rejects_file_) != 0) {
    return absl::ErrnoToStatus(errno, options_.rejects_path);
  }
  return ReplaceFile(
      options_.state_path,
      JsonObject()
              .Text("format", kStateFormat)
              .Text("import", options_.identity)
              .Text("run", start_.run_id)
              .Text("line", absl::StrCat(result_.line))
              .Text("bytes", absl::StrCat(result_.bytes))
              .Text("hash", absl::StrCat(result_.hash))
              .Text("records", absl::StrCat(result_.records))
              .Text("rejected", absl::StrCat(result_.rejected))
              .Text("rejects_bytes", absl::StrCat(rejects_bytes_))
              .Text("position", result_.position)
              .ToString() +
          "\n");
}

absl::Status ImportJournal::AppendRejects(
    const std::vector<RejectedRecord>& rejects) {
  if (rejects_file_ < 0) {
    rejects_file_ = open(options_.rejects_path.c_str(),
                         O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }
  std::string lines;
  for (const RejectedRecord& reject : rejects) {
    JsonObject line;
    line.Int("line", reject.line).Text("reason", reject.reason);
    if (schema::CheckText(reject.text).ok()) {
      line.Text("text", reject.text);
    } else {
      line.Text("text_base64", absl::Base64Escape(reject.text));
    }
    absl::StrAppend(&lines, line.ToString(), "\n");
  }
  if (rejects_file_ >= 0 && WriteAll(rejects_file_, lines)) {
    rejects_bytes_ += static_cast<int64_t>(lines.size());
    return absl::OkStatus();
  }
  return WithContext(absl::ErrnoToStatus(errno, options_.rejects_path),
                     "rejected records cannot be kept");
}

absl::Status ImportJournal::Commit(const std::vector<RejectedRecord>& rejects,
                                   const ImportResult& result) {
  if (!rejects.empty()) RETURN_IF_ERROR(AppendRejects(rejects));
  result_ = result;
  if (absl::Now() < next_save_) return absl::OkStatus();
  return Save();
}

absl::Status ImportJournal::Complete() {
  if (options_.state_path.empty() || !resumable_.ok()) return absl::OkStatus();
  return Remove(options_.state_path);
}

}  // namespace engram::engramctl
