#ifndef ENGRAM_LIBS_POSITION_POSITION_H_
#define ENGRAM_LIBS_POSITION_POSITION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram {

// A point in a database's change log. Ordered within an epoch; positions of two
// epochs cannot be compared.
//
// As text: `<database>@<epoch>.<sequence>`, the epoch as 16 hexadecimal digits.
// Stored and sent; never change the form.
struct Position {
  std::string database;
  // Random; a new one whenever the log's history is broken.
  uint64_t epoch = 0;
  // The change's number, from 1; 0 is before the first change.
  int64_t sequence = 0;

  std::string ToString() const;

  // `InvalidArgument` for text of another form.
  static absl::StatusOr<Position> Parse(absl::string_view text);

  friend bool operator==(const Position&, const Position&) = default;
};

}  // namespace engram

#endif  // ENGRAM_LIBS_POSITION_POSITION_H_
