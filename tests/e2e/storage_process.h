#ifndef ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_
#define ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/sqlite/testing/temp_directory.h"
#include "tests/e2e/process.h"

namespace engram::e2e {

// The storage process alone, at an address and in a directory that stay when it
// is started again.
class StorageProcess {
 public:
  // `flags` are given to it beside address and directory.
  explicit StorageProcess(std::vector<std::string> flags = {});

  // Starts it and waits until it takes connections.
  void Start();
  void Kill() { process_->Kill(); }
  // Returns the exit code.
  int Stop();

  const std::string& address() const { return address_; }

  // A connection to it, made anew by each Start.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // The default database's file.
  std::string File() const;
  pid_t pid() const { return process_->pid(); }

 private:
  const std::vector<std::string> flags_;
  engram::testing::TempDirectory directory_;
  const std::string address_;
  std::optional<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace engram::e2e

#endif  // ENGRAM_TESTS_E2E_STORAGE_PROCESS_H_
