#include "services/embedding/providers/provider_spec.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram::embedding {
namespace {

constexpr size_t kFingerprintBytes = 8;

// With its length, so that no two lists of facts read the same.
void AddFact(std::string& facts, absl::string_view name,
             absl::string_view value) {
  absl::StrAppend(&facts, name, " ", value.size(), " ", value, "\n");
}

}  // namespace

const char* FormatWord(Format format) {
  switch (format) {
    case Format::kOpenAi:
      return "openai";
    case Format::kGemini:
      return "gemini";
    case Format::kCohere:
      return "cohere";
    case Format::kOllama:
      return "ollama";
    case Format::kTei:
      break;
  }
  return "tei";
}

std::string MakeFingerprint(const RemoteModel& model) {
  std::string facts;
  AddFact(facts, "format", FormatWord(model.provider.format));
  AddFact(facts, "id", model.spec.id);
  AddFact(facts, "dimensions", absl::StrCat(model.model.dimensions));
  AddFact(facts, "normalize", model.spec.normalize ? "yes" : "no");
  AddFact(facts, "revision", model.spec.revision);
  AddFact(facts, "document_prefix", model.spec.document.prefix);
  AddFact(facts, "document_task", model.spec.document.task);
  AddFact(facts, "query_prefix", model.spec.query.prefix);
  AddFact(facts, "query_task", model.spec.query.task);
  for (const auto& [name, value] : model.provider.body) {
    AddFact(facts, absl::StrCat("body.", name), value);
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(facts.data()), facts.size(),
         digest);
  const absl::string_view kept(reinterpret_cast<const char*>(digest),
                               kFingerprintBytes);
  return absl::StrCat(model.model.name, "@", absl::BytesToHexString(kept));
}

}  // namespace engram::embedding
