#ifndef ENGRAM_LIBS_FILTER_PARAMETERS_H_
#define ENGRAM_LIBS_FILTER_PARAMETERS_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

namespace engram::filter {

// The values of the `:name`s of one text.
class Parameters {
 public:
  // `values` must outlive this object.
  explicit Parameters(const google::protobuf::Struct& values)
      : values_(values) {}

  // Null if there is none of this name.
  const google::protobuf::Value* Use(const std::string& name);

  // `InvalidArgument` if one was never used: a misspelt name would otherwise
  // change what a text means.
  absl::Status CheckAllUsed() const;

 private:
  const google::protobuf::Struct& values_;
  std::set<std::string> used_;
};

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_PARAMETERS_H_
