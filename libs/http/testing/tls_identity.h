#ifndef ENGRAM_LIBS_HTTP_TESTING_TLS_IDENTITY_H_
#define ENGRAM_LIBS_HTTP_TESTING_TLS_IDENTITY_H_

#include <openssl/types.h>

#include <string>

namespace engram::http::testing {

// A key and a certificate that it signed itself, made for one test.
class TlsIdentity {
 public:
  TlsIdentity();
  // Removes the file.
  ~TlsIdentity();

  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  // The certificate, which is its own authority, as a PEM file.
  const std::string& certificate_file() const { return certificate_file_; }
  // For servers.
  SSL_CTX* context() const { return context_; }

 private:
  std::string certificate_file_;
  SSL_CTX* context_ = nullptr;
};

}  // namespace engram::http::testing

#endif  // ENGRAM_LIBS_HTTP_TESTING_TLS_IDENTITY_H_
