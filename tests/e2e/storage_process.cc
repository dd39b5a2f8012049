#include "tests/e2e/storage_process.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace engram::e2e {

StorageProcess::StorageProcess(std::vector<std::string> flags)
    : flags_(std::move(flags)),
      address_(absl::StrCat("127.0.0.1:", FreePort())) {}

void StorageProcess::Start() {
  std::vector<std::string> arguments = {
      "--listen",    address_,     "--metrics-listen",
      "127.0.0.1:0", "--data-dir", directory_.File("data")};
  arguments.insert(arguments.end(), flags_.begin(), flags_.end());
  process_.emplace("engram-storage", arguments, directory_.File("log"));
  grpc::ChannelArguments channel;
  // A start takes less than gRPC's shortest pause between two tries.
  channel.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 5);
  channel.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5);
  channel.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5);
  channel.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ = grpc::CreateCustomChannel(
      address_, grpc::InsecureChannelCredentials(), channel);
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
