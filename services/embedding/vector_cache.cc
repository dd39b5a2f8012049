#include "services/embedding/vector_cache.h"

#include <openssl/evp.h>

#include <cstdint>
#include <memory>

namespace engram::embedding {
namespace {

// Of an entry beside its vector: node, table, key.
constexpr size_t kEntryBytes = 192;

void AddPart(EVP_MD_CTX* context, absl::string_view part) {
  // With its length, so that no two lists of parts read the same.
  const uint64_t size = part.size();
  EVP_DigestUpdate(context, &size, sizeof(size));
  EVP_DigestUpdate(context, part.data(), part.size());
}

}  // namespace

VectorKey MakeVectorKey(absl::string_view fingerprint, Purpose purpose,
                        absl::string_view query, absl::string_view text) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  VectorKey key;
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  AddPart(context.get(), fingerprint);
  AddPart(context.get(), purpose == Purpose::kQuery ? "query" : "document");
  AddPart(context.get(), query);
  AddPart(context.get(), text);
  EVP_DigestFinal_ex(context.get(), key.data(), nullptr);
  return key;
}

std::optional<EmbeddedText> VectorCache::Get(const VectorKey& key) {
  absl::MutexLock lock(&mutex_);
  const auto place = places_.find(key);
  if (place == places_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, place->second);
  return place->second->second;
}

void VectorCache::Put(const VectorKey& key, const EmbeddedText& embedded) {
  const size_t bytes = BytesOf(embedded);
  // It would push out all others for nothing.
  if (bytes > max_bytes_) return;
  absl::MutexLock lock(&mutex_);
  if (places_.contains(key)) return;
  entries_.emplace_front(key, embedded);
  places_[key] = entries_.begin();
  bytes_ += bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= BytesOf(entries_.back().second);
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

size_t VectorCache::bytes() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

size_t VectorCache::BytesOf(const EmbeddedText& embedded) {
  return embedded.vector.capacity() * sizeof(float) + kEntryBytes;
}

}  // namespace engram::embedding
