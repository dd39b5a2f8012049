#include "libs/filter/filter.h"
namespace engram::filter {
absl::StatusOr<Node> ParseValue(absl::string_view text, const Scope& scope,
                                const google::protobuf::Struct& parameters);
}
