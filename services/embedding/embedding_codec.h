// Between results of providers and messages of EmbeddingService.

#ifndef ENGRAM_SERVICES_EMBEDDING_EMBEDDING_CODEC_H_
#define ENGRAM_SERVICES_EMBEDDING_EMBEDDING_CODEC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engram/embedding/v1/embedding.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/status/errors.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// The most texts of a message.
inline constexpr int kMaxTexts = 2048;

// Reports too many `texts`, or none, in the field `name` of a request.
void CheckTextCount(
    const google::protobuf::RepeatedPtrField<std::string>& texts,
    absl::string_view name, FieldViolations& violations);

// The same, and texts that are empty.
void CheckTexts(const google::protobuf::RepeatedPtrField<std::string>& texts,
                absl::string_view name, FieldViolations& violations);

// Reports a purpose that this server does not know.
void CheckPurpose(v1::Purpose purpose, FieldViolations& violations);

Purpose DecodePurpose(v1::Purpose purpose);

// Sets `embedding` to `result` of the text `place`, and adds what it took to
// `usage`.
void EncodeResult(const EmbedResult& result, int64_t place,
                  v1::Embedding& embedding, v1::Usage& usage);

// Adds what `embedded` took.
void AddUsage(const EmbeddedText& embedded, v1::Usage& usage);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_EMBEDDING_CODEC_H_
