#include "services/embedding/chunked_entry.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/chunk/chunker.h"
#include "libs/status/status_macros.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

using storage::v1::Chunking;
using storage::v1::OutboxEntry;
using storage::v1::VectorPut;

// Of the 4 MiB that storage takes in a message by default; what a chunk takes
// of it beside its vector.
constexpr int kMaxPutBytes = 3 << 20;
constexpr int kChunkBytes = 64;

std::string Sha256(absl::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof(digest));
}

absl::StatusOr<chunk::Method> DecodeMethod(Chunking::Method method) {
  switch (method) {
    case Chunking::METHOD_UNSPECIFIED:
      return chunk::Method::kNone;
    case Chunking::METHOD_TOKENS:
      return chunk::Method::kTokens;
    case Chunking::METHOD_PARAGRAPHS:
      return chunk::Method::kParagraphs;
    case Chunking::METHOD_MARKDOWN:
      return chunk::Method::kMarkdown;
    case Chunking::METHOD_CODE:
      return chunk::Method::kCode;
    default:
      return absl::UnimplementedError(
          absl::StrCat("chunking method ", static_cast<int>(method),
                       " is newer than this embedding service"));
  }
}

// What the model cannot read would be in a chunk and never be found.
absl::StatusOr<chunk::Options> OptionsFor(const Chunking& chunking,
                                          const Model& model) {
  chunk::Options options = {.size = chunking.size(),
                            .overlap = chunking.overlap(),
                            .headings = chunking.headings()};
  ASSIGN_OR_RETURN(options.method, DecodeMethod(chunking.method()));
  if (model.max_tokens > 0) {
    // Headings are a quarter of a chunk at most.
    const int readable =
        options.headings ? model.max_tokens / 5 * 4 : model.max_tokens;
    options.size = std::min(options.size, readable);
  }
  options.size = std::max(options.size, chunk::kMinSize);
  options.overlap = std::clamp(options.overlap, 0, options.size / 2);
  return options;
}

}  // namespace

int MaxChunks(int dimensions) {
  const int chunk_bytes =
      dimensions * static_cast<int>(sizeof(float)) + kChunkBytes;
  return std::clamp(kMaxPutBytes / chunk_bytes, 1, chunk::kMaxChunks);
}

absl::StatusOr<ChunkedEntry> ChunkedEntry::Create(const OutboxEntry& entry,
                                                  const Provider& provider) {
  ChunkedEntry result(entry);
  const absl::flat_hash_set<absl::string_view> stored(
      entry.stored_text_hashes().begin(), entry.stored_text_hashes().end());
  if (!entry.has_chunking()) {
    if (!stored.contains(entry.content_hash())) {
      result.texts_.push_back(entry.text());
    }
    return result;
  }
  ASSIGN_OR_RETURN(const chunk::Options options,
                   OptionsFor(entry.chunking(), provider.model()));
  const auto count = [&](absl::string_view text) {
    return provider.CountTokens(text);
  };
  // By hash: a text that is there twice is embedded once.
  absl::flat_hash_map<std::string, int> places;
  for (const chunk::Chunk& chunk :
       chunk::SplitText(entry.text(), options, count,
                        MaxChunks(provider.model().dimensions))) {
    std::string text = chunk.TextIn(entry.text());
    Part& part = result.parts_.emplace_back();
    part.text.set_hash(Sha256(text));
    part.text.mutable_range()->set_begin(static_cast<int64_t>(chunk.begin));
    part.text.mutable_range()->set_end(static_cast<int64_t>(chunk.end));
    if (stored.contains(part.text.hash())) continue;
    const auto [place, is_new] = places.try_emplace(
        part.text.hash(), static_cast<int>(result.texts_.size()));
    part.place = place->second;
    if (!is_new) continue;
    result.texts_.push_back(result.owned_texts_.emplace_back(std::move(text)));
  }
  return result;
}

VectorPut ChunkedEntry::MakePut(absl::Span<const EmbeddedText> embedded) const {
  VectorPut put;
  put.set_database(entry_->database());
  put.set_entry(entry_->entry());
  put.set_generation(entry_->generation());
  put.set_content_hash(entry_->content_hash());
  if (parts_.empty()) {
    common::v1::Vector& vector = *put.add_chunks();
    if (!embedded.empty()) EncodeVector(embedded[0].vector, vector);
    return put;
  }
  for (const Part& part : parts_) {
    *put.add_texts() = part.text;
    common::v1::Vector& vector = *put.add_chunks();
    if (part.place >= 0) EncodeVector(embedded[part.place].vector, vector);
  }
  return put;
}

}  // namespace engram::embedding
