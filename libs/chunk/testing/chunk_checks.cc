#include "libs/chunk/testing/chunk_checks.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/chunk/characters.h"
#include "libs/chunk/chunker.h"

namespace engram::chunk::testing {
namespace {

constexpr size_t kBytesPerToken = 80;
constexpr size_t kMostIndent = 64;

// Of each byte: whether a character begins there.
std::vector<bool> CharacterBegins(absl::string_view text) {
  std::vector<bool> begins(text.size() + 1);
  for (size_t at = 0; at < text.size(); at += CharacterAt(text, at).size) {
    begins[at] = true;
  }
  begins[text.size()] = true;
  return begins;
}

std::string FindPlaceProblem(absl::string_view text, const Options& options,
                             const std::vector<Chunk>& chunks) {
  const std::vector<bool> begins = CharacterBegins(text);
  size_t last_begin = 0, last_end = 0;
  for (const Chunk& chunk : chunks) {
    if (chunk.begin >= chunk.end || chunk.end > text.size()) return "no range";
    if (!begins[chunk.begin] || !begins[chunk.end]) return "a character is cut";
    if (&chunk != &chunks[0] &&
        (chunk.begin <= last_begin || chunk.end <= last_end)) {
      return "the order is wrong";
    }
    if (options.overlap == 0 && chunk.begin < last_end) return "they overlap";
    if (chunk.begin < last_end &&
        EstimateTokens(text.substr(chunk.begin, last_end - chunk.begin)) >
            2 * options.overlap) {
      return "they overlap by too much";
    }
    // What lies between two chunks is blank.
    for (size_t at = std::min(last_end, chunk.begin); at < chunk.begin;) {
      const Character character = CharacterAt(text, at);
      if (character.kind != CharacterKind::kBlank) {
        return absl::StrCat("byte ", at, " is in no chunk");
      }
      at += character.size;
    }
    last_begin = chunk.begin;
    last_end = chunk.end;
  }
  for (size_t at = last_end; at < text.size();) {
    const Character character = CharacterAt(text, at);
    if (character.kind != CharacterKind::kBlank)
      return "the end is in no chunk";
    at += character.size;
  }
  return "";
}

std::string FindSizeProblem(absl::string_view text, const Options& options,
                            const std::vector<Chunk>& chunks) {
  for (const Chunk& chunk : chunks) {
    const int tokens =
        EstimateTokens(text.substr(chunk.begin, chunk.end - chunk.begin));
    if (tokens > options.size) {
      return absl::StrCat("a chunk of ", tokens, " tokens");
    }
    if (chunk.end - chunk.begin > kBytesPerToken * options.size + kMostIndent) {
      return absl::StrCat("a chunk of ", chunk.end - chunk.begin, " bytes");
    }
    if (EstimateTokens(chunk.headings) > options.size / 4) {
      return "headings are too long";
    }
  }
  return "";
}

}  // namespace

std::string FindSplitProblem(absl::string_view text, const Options& options,
                             int max_chunks) {
  const std::vector<Chunk> chunks =
      SplitText(text, options, EstimateTokens, max_chunks);
  if (chunks != SplitText(text, options, EstimateTokens, max_chunks)) {
    return "not the same twice";
  }
  if (chunks.empty() || chunks.size() > max_chunks) {
    return absl::StrCat(chunks.size(), " chunks");
  }
  const bool is_blank = chunks.size() == 1 && chunks[0].end == text.size() &&
                        chunks[0].begin == 0;
  if (options.method == Method::kNone) return is_blank ? "" : "not whole";
  const std::string problem = FindPlaceProblem(text, options, chunks);
  if (!problem.empty() || is_blank) return problem;
  // It is widened if it would be more chunks than that otherwise.
  const bool is_widened =
      SplitText(text, options, EstimateTokens, static_cast<int>(text.size()))
          .size() > max_chunks;
  return is_widened ? "" : FindSizeProblem(text, options, chunks);
}

}  // namespace engram::chunk::testing
