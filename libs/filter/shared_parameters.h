#ifndef ENGRAM_LIBS_FILTER_SHARED_PARAMETERS_H_
#define ENGRAM_LIBS_FILTER_SHARED_PARAMETERS_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "libs/status/errors.h"

namespace engram::filter {

// The values of the `:name`s of several texts of one request. Each text's
// parser takes only those that its text uses, as it refuses others.
class SharedParameters {
 public:
  // `values` must outlive this object.
  explicit SharedParameters(const google::protobuf::Struct& values)
      : values_(values) {}

  // The values that `text` uses, of those there are.
  google::protobuf::Struct Of(absl::string_view text);

  // Adds a violation for each one that no text used: a misspelt name would
  // otherwise change what a text means.
  void CheckAllUsed(FieldViolations& violations) const;

 private:
  const google::protobuf::Struct& values_;
  absl::flat_hash_set<std::string> used_;
};

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_SHARED_PARAMETERS_H_
