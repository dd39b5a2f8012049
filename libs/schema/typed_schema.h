// The protobuf message of a collection, whose bytes are its typed bodies (see
// typed_codec.h): as a descriptor, for clients that load it, and as `.proto`
// text, for clients that compile it.

#ifndef ENGRAM_LIBS_SCHEMA_TYPED_SCHEMA_H_
#define ENGRAM_LIBS_SCHEMA_TYPED_SCHEMA_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.pb.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/typed_codec.h"

namespace engram::schema {

struct TypedSchema {
  // Named `engram/records/<collection>.proto`. Imports only
  // google/protobuf/timestamp.proto, and that only if a field needs it.
  google::protobuf::FileDescriptorProto file;
  // The message's full name, such as `engram.records.Memories`. Two collections
  // never share one.
  std::string message;
  // The same file as text, with a comment on each field.
  std::string source;
};

// Fields come by number. Numbers of dropped fields are reserved, and so are
// their names, unless a field has one of them again.
TypedSchema DescribeTyped(const CollectionSpec& spec,
                          const TypedLayout& layout);

// google/protobuf/timestamp.proto, for a set of files that is complete.
google::protobuf::FileDescriptorProto TimestampFile();

// The message's name without its package: `chat_messages` is `ChatMessages`. An
// underscore that no letter follows stays, so that no two names become one.
std::string MessageName(absl::string_view collection);

// The number of the next new field: the lowest above all that there ever were
// and that protobuf does not keep for itself (19000 to 19999).
// `ResourceExhausted` if there is none left.
absl::StatusOr<int> NextFieldNumber(const TypedLayout& layout);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_TYPED_SCHEMA_H_
