#ifndef ENGRAM_SERVICES_EMBEDDING_STATIC_MODEL_H_
#define ENGRAM_SERVICES_EMBEDDING_STATIC_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/embedding/mapped_file.h"
#include "services/embedding/row_sum.h"
#include "services/embedding/wordpiece_tokenizer.h"

namespace engram::embedding {

// A table of token vectors with its vocabulary, used where it lies in a
// memory-mapped file. Turns a text into a vector with no matrix product:
// tokens, their rows' sum, its direction. docs/design/static_model_format.md
// has the file's layout and the arithmetic.
//
// Immutable, so thread-safe.
class StaticModel {
 public:
  // Maps the file at `path` and verifies all of it: nothing in it is trusted
  // before. `NotFound` if there is none, `FailedPrecondition` if it is of
  // another kind or version than this program reads, `DataLoss` if it was cut
  // short or changed. While it is open the file may be replaced by a rename,
  // but not written to.
  static absl::StatusOr<std::unique_ptr<StaticModel>> Open(
      const std::string& path);

  // What the work on one text needs; reused, it saves the allocations. One
  // thread at a time.
  struct Scratch {
    std::vector<int32_t> ids;
  };

  // Sets `vector`, of dimensions() values, to the vector of `text`, of unit
  // length, and returns how many tokens it was made from. Nothing, and `vector`
  // is left undefined, if the text holds no token that has a direction.
  std::optional<int> Embed(absl::string_view text, Scratch& scratch,
                           absl::Span<float> vector) const;

  const WordPieceTokenizer& tokenizer() const { return tokenizer_; }
  int dimensions() const { return static_cast<int>(table_.dimensions); }
  // The most tokens of a text that count; 0 is no limit.
  int max_tokens() const { return max_tokens_; }
  // Identifies the vectors' space: changes whenever a vector could.
  const std::string& revision() const { return revision_; }

 private:
  StaticModel(MappedFile file, ScaledRows table, WordPieceTokenizer tokenizer,
              int max_tokens, std::string revision);

  const MappedFile file_;
  // In the file.
  const ScaledRows table_;
  const WordPieceTokenizer tokenizer_;
  const int max_tokens_;
  const std::string revision_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_STATIC_MODEL_H_
