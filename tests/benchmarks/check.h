#ifndef ENGRAM_TESTS_BENCHMARKS_CHECK_H_
#define ENGRAM_TESTS_BENCHMARKS_CHECK_H_

#include <grpcpp/support/status.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::benchmarks {

// A benchmark whose work fails has measured nothing: these end the program.

inline void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

inline void CheckOk(const grpc::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error_message().c_str());
  std::exit(1);
}

template <typename T>
T CheckOk(absl::StatusOr<T> result) {
  CheckOk(result.status());
  return *std::move(result);
}

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_CHECK_H_
