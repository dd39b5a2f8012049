// Values from the text that people and CSV files write.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_FIELD_TEXT_H_
#define ENGRAM_TOOLS_ENGRAMCTL_FIELD_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/collection_spec.h"

namespace engram::engramctl {

// What `text` stands for in a field of `type`: text as it is for a string,
// text, ref, timestamp or bytes field, else a number, true or false, JSON. The
// error is a clause that follows the field's name.
absl::StatusOr<google::protobuf::Value> ParseFieldText(schema::FieldType type,
                                                       absl::string_view text);

// What `text` stands for where no field says the type: JSON, or if it is none,
// a string.
google::protobuf::Value ParseAnyText(absl::string_view text);

// An id as JSON carries it: a string or a whole number. The error is a clause
// that follows the id's name.
absl::StatusOr<std::string> IdOf(const google::protobuf::Value& value);

// Turns the digits back into numbers that json::Parser, which does not know the
// field, has kept as text because a double does not hold them exactly: a double
// field takes the nearest.
void FitNumbers(const schema::CollectionSpec& spec,
                google::protobuf::Struct* fields);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_FIELD_TEXT_H_
