#ifndef ENGRAM_TESTS_BENCHMARKS_HAND_WRITTEN_STORE_H_
#define ENGRAM_TESTS_BENCHMARKS_HAND_WRITTEN_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/sqlite/connection.h"

namespace engram::benchmarks {

// One record of the benchmarks: some 300 bytes as JSON.
struct Note {
  std::string id;
  std::string title;
  std::string kind;
  double score = 0;
  std::string body;
};

// A new note, unlike every other of this process.
Note NewNote();

// What somebody would write who needs these notes kept, an index over `kind`
// and a change log, and nothing else: prepared statements, bound values. Row,
// index, change-log entry and settings of the connection are the same as
// storage's. What storage is measured by.
class HandWrittenStore {
 public:
  enum class FullText { kNone, kBody };

  // Makes the file.
  HandWrittenStore(const std::string& path, FullText full_text);

  // Writes the notes in one transaction, on disk when it returns.
  void Write(absl::Span<const Note> notes);

 private:
  void Insert(const Note& note, int64_t now_us);

  const FullText full_text_;
  std::unique_ptr<sqlite::Connection> connection_;
  int64_t sequence_ = 0;
  uint64_t checksum_ = 0;
};

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_HAND_WRITTEN_STORE_H_
