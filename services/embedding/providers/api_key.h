#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_API_KEY_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_API_KEY_H_

#include <string>

#include "absl/status/statusor.h"

namespace engram::embedding {

// Where a provider's key is. The key itself is read for each call, so that one
// that was replaced is used from then on, and is kept nowhere.
class ApiKey {
 public:
  // The name of an environment variable, or a file's path; both empty if the
  // provider takes no key.
  ApiKey(std::string env, std::string file);

  bool is_needed() const { return !env_.empty() || !file_.empty(); }

  // Returns the key, without spaces around it; empty if none is needed.
  // `FailedPrecondition` if it is missing, with where it is looked for.
  absl::StatusOr<std::string> Read() const;

  // Says for people where the key is and whether it is there.
  std::string Describe() const;

 private:
  const std::string env_;
  const std::string file_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_API_KEY_H_
