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

bool HasRerank(Format format) {
  return format == Format::kOpenAi || format == Format::kCohere ||
         format == Format::kTei;
}

std::string MakeFingerprint(const RemoteModel& model) {
  std::string facts;
  AddFact(facts, "format",
          kFormatWords[static_cast<size_t>(model.provider.format)]);
  AddFact(facts, "id", model.spec.id);
  AddFact(facts, "dimensions", absl::StrCat(model.model.dimensions));
  AddFact(facts, "normalize", model.spec.normalize ? "yes" : "no");
  AddFact(facts, "revision", model.spec.revision);
  AddFact(facts, "document_prefix", model.spec.document.prefix);
  AddFact(facts, "document_task", model.spec.document.task);
  AddFact(facts, "query_prefix", model.spec.query.prefix);
  AddFact(facts, "query_task", model.spec.query.task);
  if (model.spec.reranks) AddFact(facts, "kind", "rerank");
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
