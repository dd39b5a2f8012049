#include "tests/benchmarks/hand_written_store.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/sqlite/transaction.h"
#include "tests/benchmarks/check.h"

namespace engram::benchmarks {
namespace {

constexpr absl::string_view kCreate = R"sql(
CREATE TABLE notes (
  _row INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  _version INTEGER NOT NULL,
  _created_us INTEGER NOT NULL,
  _updated_us INTEGER NOT NULL,
  _sequence INTEGER NOT NULL,
  title TEXT,
  kind TEXT,
  score REAL,
  body TEXT
) STRICT;
CREATE INDEX notes_kind ON notes (kind);
CREATE TABLE changes (
  sequence INTEGER PRIMARY KEY NOT NULL,
  kind INTEGER NOT NULL,
  collection INTEGER NOT NULL,
  row INTEGER NOT NULL,
  id TEXT NOT NULL,
  payload BLOB NOT NULL,
  checksum INTEGER NOT NULL,
  committed_us INTEGER NOT NULL
) STRICT;
)sql";
constexpr absl::string_view kCreateText =
    "CREATE VIRTUAL TABLE notes_text USING fts5(body, content='notes', "
    "content_rowid='_row')";
constexpr absl::string_view kInsert =
    "INSERT INTO notes (id, _version, _created_us, _updated_us, _sequence, "
    "title, kind, score, body) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)";
constexpr absl::string_view kInsertText =
    "INSERT INTO notes_text (rowid, body) VALUES (?, ?)";
constexpr absl::string_view kInsertChange =
    "INSERT INTO changes (sequence, kind, collection, row, id, payload, "
    "checksum, committed_us) VALUES (?, 2, 1, ?, ?, x'', ?, ?)";

// As storage's default: from this size on the log is moved into the file.
constexpr int64_t kCheckpointBytes = int64_t{32} << 20;

}  // namespace

Note NewNote() {
  static std::atomic<int64_t> counter = 0;
  static constexpr const char* kWords[] = {
      "river",  "engine", "music",   "cloud",   "bread", "mountain", "lawyer",
      "galaxy", "needle", "forest",  "battery", "poem",  "vaccine",  "bridge",
      "chess",  "desert", "harvest", "library", "magnet"};
  constexpr int kWordCount = sizeof(kWords) / sizeof(kWords[0]);
  const int64_t number = ++counter;
  Note note;
  note.id = absl::StrCat("note-", number);
  note.title = absl::StrCat("what ", number, " says of the ",
                            kWords[number % kWordCount]);
  note.kind = absl::StrCat("kind-", number % 20);
  note.score = static_cast<double>(number % 1000) / 8;
  for (uint64_t state = static_cast<uint64_t>(number);
       note.body.size() < 190;) {
    state = state * 6364136223846793005 + 1442695040888963407;
    absl::StrAppend(&note.body, kWords[(state >> 33) % kWordCount], " ");
  }
  return note;
}

HandWrittenStore::HandWrittenStore(const std::string& path, FullText full_text)
    : full_text_(full_text),
      connection_(
          CheckOk(sqlite::Connection::Open(path, sqlite::Access::kReadWrite))) {
  CheckOk(connection_->Execute(kCreate));
  if (full_text_ == FullText::kBody) {
    CheckOk(connection_->Execute(kCreateText));
  }
}

void HandWrittenStore::Write(absl::Span<const Note> notes) {
  const int64_t now_us = absl::GetCurrentTimeNanos() / 1000;
  auto transaction = CheckOk(sqlite::Transaction::Begin(
      *connection_, sqlite::Transaction::Kind::kWrite));
  for (const Note& note : notes) Insert(note, now_us);
  CheckOk(transaction.Commit());
  if (connection_->wal_bytes() > kCheckpointBytes) {
    CheckOk(connection_->CheckpointPassive());
  }
}

void HandWrittenStore::Insert(const Note& note, int64_t now_us) {
  ++sequence_;
  {
    auto insert = CheckOk(connection_->Cached(kInsert));
    insert.BindText(1, note.id);
    insert.BindInt(2, now_us);
    insert.BindInt(3, now_us);
    insert.BindInt(4, sequence_);
    insert.BindText(5, note.title);
    insert.BindText(6, note.kind);
    insert.BindDouble(7, note.score);
    insert.BindText(8, note.body);
    CheckOk(insert.Run());
  }
  const int64_t row = connection_->last_insert_row();
  if (full_text_ == FullText::kBody) {
    auto insert = CheckOk(connection_->Cached(kInsertText));
    insert.BindInt(1, row);
    insert.BindText(2, note.body);
    CheckOk(insert.Run());
  }
  checksum_ = checksum_ * 1099511628211 + static_cast<uint64_t>(row);
  auto insert = CheckOk(connection_->Cached(kInsertChange));
  insert.BindInt(1, sequence_);
  insert.BindInt(2, row);
  insert.BindText(3, note.id);
  insert.BindInt(4, static_cast<int64_t>(checksum_));
  insert.BindInt(5, now_us);
  CheckOk(insert.Run());
}

}  // namespace engram::benchmarks
