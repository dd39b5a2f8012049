#ifndef ENGRAM_SERVICES_EMBEDDING_WORDPIECE_TOKENIZER_H_
#define ENGRAM_SERVICES_EMBEDDING_WORDPIECE_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/embedding/vocabulary_trie.h"

namespace engram::embedding {

// BERT's uncased WordPiece tokenizer, token for token that of Hugging Face's
// `tokenizers`; docs/design/static_model_format.md has the rules.
//
// Immutable, so thread-safe.
class WordPieceTokenizer {
 public:
  // The largest `max_word_characters` there can be.
  static constexpr int kMaxWordCharacters = 256;

  // A token's id is its index in `vocabulary`, which must be as VocabularyTrie
  // wants it; `unknown` is the id of `[UNK]`. A word of more than
  // `max_word_characters`, at most kMaxWordCharacters, is unknown.
  WordPieceTokenizer(absl::Span<const absl::string_view> vocabulary,
                     int32_t unknown, int max_word_characters);

  // Sets `ids` to the tokens of `text`, without `[CLS]` and `[SEP]`: all of
  // them, or the first `max_tokens` if that is not 0. None if the text holds
  // only white space and control characters. Bytes that are not UTF-8 are
  // skipped. Reusing `ids` saves its allocation, the only one that ASCII takes.
  void Tokenize(absl::string_view text, size_t max_tokens,
                std::vector<int32_t>& ids) const;

 private:
  class Run;

  VocabularyTrie trie_;
  // Where `##` leads: the tokens that continue a word.
  VocabularyTrie::Node continuation_;
  int32_t unknown_;
  int max_word_characters_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_WORDPIECE_TOKENIZER_H_
