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

using storage::v1::FailureResult;
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

void FakeStorage::CutAtParagraphs(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  for (auto& [number, entry] : outbox_) {
    if (entry.entry.id() != id) continue;
    storage::v1::Chunking& chunking = *entry.entry.mutable_chunking();
    chunking.set_method(storage::v1::Chunking::METHOD_PARAGRAPHS);
    chunking.set_size(16);
  }
}

void FakeStorage::TakeAway(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  for (auto& [number, entry] : outbox_) {
    if (entry.entry.id() == id) entry.lease_id = 0;
  }
}

std::map<std::string, std::string> FakeStorage::refused() const {
  absl::MutexLock lock(&mutex_);
  return refused_;
}

std::map<std::string, std::string> FakeStorage::postponed() const {
  absl::MutexLock lock(&mutex_);
  return postponed_;
}

int FakeStorage::extensions() const {
  absl::MutexLock lock(&mutex_);
  return extensions_;
}

storage::v1::EmbeddingUsage FakeStorage::usage() const {
  absl::MutexLock lock(&mutex_);
  return usage_;
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
  response->set_lease_id(++last_lease_);
  for (auto& [number, entry] : outbox_) {
    if (response->entries_size() == request.max_entries()) break;
    if (entry.is_leased || !absl::c_linear_search(request.fingerprints(),
                                                  entry.entry.fingerprint())) {
      continue;
    }
    entry.is_leased = true;
    entry.lease_id = last_lease_;
    *response->add_entries() = entry.entry;
  }
}

grpc::Status FakeStorage::ExtendLease(
    grpc::ServerContext*, const storage::v1::ExtendLeaseRequest* request,
    storage::v1::ExtendLeaseResponse* response) {
  absl::MutexLock lock(&mutex_);
  const bool gives_back =
      request->lease().seconds() == 0 && request->lease().nanos() == 0;
  if (!gives_back) ++extensions_;
  for (const auto& extended : request->entries()) {
    const auto found = outbox_.find(extended.entry());
    if (found == outbox_.end()) continue;
    if (found->second.lease_id != request->lease_id()) {
      *response->add_lost() = extended;
    } else {
      found->second.is_leased = !gives_back;
    }
  }
  changed_.SignalAll();
  return grpc::Status::OK;
}

grpc::Status FakeStorage::ReportFailure(
    grpc::ServerContext*, const storage::v1::ReportFailureRequest* request,
    storage::v1::ReportFailureResponse* response) {
  absl::MutexLock lock(&mutex_);
  for (const auto& report : request->failures()) {
    AddUsage(report.usage());
    FailureResult& result = *response->add_results();
    const auto found = outbox_.find(report.entry());
    if (found == outbox_.end()) {
      result.set_outcome(FailureResult::OUTCOME_DROPPED);
    } else if (report.reason() == storage::v1::FAILURE_REASON_TEXT_REFUSED) {
      refused_[found->second.entry.id()] = report.message();
      outbox_.erase(found);
      result.set_outcome(FailureResult::OUTCOME_FAILED);
    } else {
      // Stays leased until ExpireLeases.
      postponed_[found->second.entry.id()] = report.message();
      result.set_outcome(FailureResult::OUTCOME_RETRY);
    }
  }
  changed_.SignalAll();
  return grpc::Status::OK;
}

void FakeStorage::AddUsage(const storage::v1::EmbeddingUsage& usage) {
  usage_.set_requests(usage_.requests() + usage.requests());
  usage_.set_texts(usage_.texts() + usage.texts());
  usage_.set_tokens(usage_.tokens() + usage.tokens());
  usage_.set_cost_nanousd(usage_.cost_nanousd() + usage.cost_nanousd());
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
    AddUsage(put.usage());
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
