#include "services/embedding/embedding_codec.h"

#include "absl/strings/str_cat.h"
#include "libs/status/rpc_status.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {

void CheckTextCount(
    const google::protobuf::RepeatedPtrField<std::string>& texts,
    absl::string_view name, FieldViolations& violations) {
  if (texts.empty() || texts.size() > kMaxTexts) {
    violations.Add(name, absl::StrCat("has ", texts.size(),
                                      " texts; give 1 to ", kMaxTexts));
  }
}

void CheckTexts(const google::protobuf::RepeatedPtrField<std::string>& texts,
                absl::string_view name, FieldViolations& violations) {
  CheckTextCount(texts, name, violations);
  for (int i = 0; i < texts.size(); ++i) {
    if (texts[i].empty()) {
      violations.Add(absl::StrCat(name, "[", i, "]"),
                     "is empty; give a text with at least one word");
    }
  }
}

void CheckPurpose(v1::Purpose purpose, FieldViolations& violations) {
  // A client newer than this server may send a purpose it does not know.
  if (!v1::Purpose_IsValid(purpose)) {
    violations.Add("purpose", absl::StrCat("is ", purpose,
                                           "; give one of Purpose's values"));
  }
}

Purpose DecodePurpose(v1::Purpose purpose) {
  return purpose == v1::PURPOSE_QUERY ? Purpose::kQuery : Purpose::kDocument;
}

void EncodeResult(const EmbedResult& result, int64_t place,
                  v1::Embedding& embedding, v1::Usage& usage) {
  if (!result.ok()) {
    *embedding.mutable_error() =
        ToRpcStatus(absl::IsInvalidArgument(result.status())
                        ? InvalidField(absl::StrCat("texts[", place, "]"),
                                       result.status().message())
                        : result.status());
    return;
  }
  EncodeVector(result->vector, *embedding.mutable_vector());
  embedding.set_tokens(result->tokens);
  embedding.set_truncated_bytes(static_cast<int64_t>(result->truncated_bytes));
  AddUsage(*result, usage);
}

void AddUsage(const EmbeddedText& embedded, v1::Usage& usage) {
  usage.set_tokens(usage.tokens() + embedded.tokens);
  usage.set_paid_tokens(usage.paid_tokens() + embedded.spent.tokens);
  usage.set_cost_usd(usage.cost_usd() + embedded.spent.cost_usd);
}

}  // namespace engram::embedding
