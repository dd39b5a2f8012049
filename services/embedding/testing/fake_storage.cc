#include "services/embedding/testing/fake_storage.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/time/clock.h"
#include "libs/status/grpc_status.h"

namespace engram::embedding::testing {
namespace {

using storage::v1::OutboxEntry;
using storage::v1::PutResult;

// How often a long poll looks whether its client has gone.
constexpr absl::Duration kCancelCheck = absl::Milliseconds(5);

std::string Sha256(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof(digest));
}

}  // namespace

FakeStorage::FakeStorage(const std::string& address) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(
      static_cast<storage::v1::VectorService::Service*>(this));
  builder.RegisterService(
      static_cast<storage::v1::CatalogService::Service*>(this));
  server_ = builder.BuildAndStart();
}

FakeStorage::~FakeStorage() {
  // Cancels the calls that wait, as a crash would.
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

void FakeStorage::WriteText(const std::string& id, const std::string& text,
                            const std::string& fingerprint) {
  absl::MutexLock lock(&mutex_);
  for (auto it = outbox_.begin(); it != outbox_.end();) {
    it = it->second.entry.id() == id ? outbox_.erase(it) : std::next(it);
  }
  OutboxEntry& entry = outbox_[++last_entry_].entry;
  entry.set_database("default");
  entry.set_entry(last_entry_);
  entry.set_collection("notes");
  entry.set_id(id);
  entry.set_generation(1);
  entry.set_fingerprint(fingerprint);
  entry.set_text(text);
  entry.set_content_hash(Sha256(text));
  changed_.SignalAll();
}

void FakeStorage::ExpireLeases() {
  absl::MutexLock lock(&mutex_);
  for (auto& [number, entry] : outbox_) entry.is_leased = false;
  changed_.SignalAll();
}

void FakeStorage::FailPuts(int count, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  puts_to_fail_ = count;
  put_failure_ = std::move(status);
}

std::map<std::string, std::vector<float>> FakeStorage::vectors() const {
  absl::MutexLock lock(&mutex_);
  return vectors_;
}

std::vector<std::string> FakeStorage::models() const {
  absl::MutexLock lock(&mutex_);
  return models_;
}

size_t FakeStorage::largest_put_bytes() const {
  absl::MutexLock lock(&mutex_);
  return largest_put_bytes_;
}

void FakeStorage::AwaitLongPoll() const {
  absl::MutexLock lock(&mutex_);
  for (const int64_t before = polls_; polls_ == before;) changed_.Wait(&mutex_);
}

void FakeStorage::AwaitVectors(size_t count) const {
  absl::MutexLock lock(&mutex_);
  while (vectors_.size() < count) changed_.Wait(&mutex_);
}

grpc::Status FakeStorage::LeasePending(
    grpc::ServerContext* context,
    const storage::v1::LeasePendingRequest* request,
    storage::v1::LeasePendingResponse* response) {
  const absl::Time deadline =
      absl::Now() + absl::Seconds(request->wait().seconds());
  absl::MutexLock lock(&mutex_);
  HandOut(*request, response);
  while (response->entries().empty() && absl::Now() < deadline) {
    ++polls_;
    changed_.SignalAll();
    changed_.WaitWithTimeout(&mutex_, kCancelCheck);
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    HandOut(*request, response);
  }
  return grpc::Status::OK;
}

void FakeStorage::HandOut(const storage::v1::LeasePendingRequest& request,
                          storage::v1::LeasePendingResponse* response) {
  for (auto& [number, entry] : outbox_) {
    if (response->entries_size() == request.max_entries()) break;
    if (entry.is_leased || !absl::c_linear_search(request.fingerprints(),
                                                  entry.entry.fingerprint())) {
      continue;
    }
    entry.is_leased = true;
    *response->add_entries() = entry.entry;
  }
}

grpc::Status FakeStorage::PutVectors(
    grpc::ServerContext*, const storage::v1::PutVectorsRequest* request,
    storage::v1::PutVectorsResponse* response) {
  absl::MutexLock lock(&mutex_);
  if (puts_to_fail_ > 0) {
    --puts_to_fail_;
    return ToGrpcStatus(put_failure_);
  }
  largest_put_bytes_ = std::max(largest_put_bytes_, request->ByteSizeLong());
  for (const auto& put : request->puts()) {
    PutResult& result = *response->add_results();
    const auto it = outbox_.find(put.entry());
    if (it == outbox_.end() ||
        it->second.entry.content_hash() != put.content_hash()) {
      result.set_outcome(PutResult::OUTCOME_DROPPED);
      continue;
    }
    const std::string& bytes = put.chunks(0).values();
    std::vector<float>& vector = vectors_[it->second.entry.id()];
    vector.resize(bytes.size() / sizeof(float));
    std::memcpy(vector.data(), bytes.data(), bytes.size());
    outbox_.erase(it);
    result.set_outcome(PutResult::OUTCOME_STORED);
  }
  changed_.SignalAll();
  return grpc::Status::OK;
}

grpc::Status FakeStorage::RegisterModels(
    grpc::ServerContext*, const storage::v1::RegisterModelsRequest* request,
    storage::v1::RegisterModelsResponse*) {
  absl::MutexLock lock(&mutex_);
  models_.clear();
  for (const auto& model : request->models()) models_.push_back(model.name());
  return grpc::Status::OK;
}

}  // namespace engram::embedding::testing
