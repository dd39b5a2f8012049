#include "services/storage/content_hash.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

namespace engram::storage {
namespace {

// The implementation, looked up once: OpenSSL 3 would look it up by name for
// each hash, which takes longer than hashing a short text.
const EVP_MD* Sha256() {
  static const EVP_MD* const algorithm =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

ContentHash ContentHash::Of(absl::string_view bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(
      EVP_MD_CTX_new());
  ContentHash hash;
  // Fails only where the library is broken or memory is gone.
  if (EVP_DigestInit_ex2(context.get(), Sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), hash.bytes_.data(), nullptr) != 1) {
    std::abort();
  }
  return hash;
}

uint64_t ContentHash::Prefix() const {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | bytes_[i];
  return value;
}

}  // namespace engram::storage
