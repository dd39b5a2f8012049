#ifndef ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_
#define ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>

#include "libs/sqlite/testing/temp_directory.h"
#include "tests/e2e/process.h"

namespace engram::e2e {

// Storage alone, as a process of its own, at an address and in a directory that
// stay the same when it is started again.
class StorageProcess {
 public:
  StorageProcess();

  // Starts it and waits until it takes calls.
  void Start();
  // Kills it, as a power cut would.
  void Kill() { process_->Kill(); }
  // Stops it with SIGTERM and returns the exit code.
  int Stop();

  // A connection to it, new with each Start.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // The default database's file.
  std::string File() const;

 private:
  engram::testing::TempDirectory directory_;
  const std::string address_;
  std::optional<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace engram::e2e

#endif  // ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_
