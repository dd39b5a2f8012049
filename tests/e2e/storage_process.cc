#include "tests/e2e/storage_process.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::e2e {

StorageProcess::StorageProcess()
    : address_(absl::StrCat("127.0.0.1:", FreePort())) {}

void StorageProcess::Start() {
  process_.emplace("engram-storage",
                   std::vector<std::string>{
                       "--listen", address_, "--metrics-listen", "127.0.0.1:0",
                       "--data-dir", directory_.File("data")},
                   directory_.File("log"));
  grpc::ChannelArguments arguments;
  // A start takes less than gRPC's shortest pause between two tries.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 5);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(
      address_, grpc::InsecureChannelCredentials(), arguments);
  ASSERT_TRUE(channel_->WaitForConnected(
      absl::ToChronoTime(absl::Now() + absl::Minutes(1))));
}

int StorageProcess::Stop() {
  channel_.reset();
  return process_->Terminate();
}

std::string StorageProcess::File() const {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(
           directory_.File("data/default"))) {
    if (entry.path().filename() == "engram.db") return entry.path();
  }
  return "";
}

}  // namespace engram::e2e
