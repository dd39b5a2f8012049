// Values between people's SQL and the messages that carry it.

#ifndef ENGRAM_SERVICES_STORAGE_SQL_VALUES_H_
#define ENGRAM_SERVICES_STORAGE_SQL_VALUES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "libs/sqlite/guest_statement.h"

namespace engram::storage {

// Gives the statement's parameters their values by their names. Reports every
// one that has none, that is used nowhere, that cannot be one, or that has no
// name, together. `parameters` must outlive the statement.
absl::Status BindSqlParameters(const google::protobuf::Struct& parameters,
                               sqlite::GuestStatement& statement);

// Writes a column of the row that the statement is at. An integer that a double
// does not hold exactly is a decimal string, an infinite number `Infinity` or
// `-Infinity`, a blob base64.
void EncodeSqlValue(const sqlite::GuestStatement& statement, int column,
                    google::protobuf::Value* out);

// `text` with U+FFFD for each byte that is no part of UTF-8.
std::string MakeUtf8(absl::string_view text);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SQL_VALUES_H_
