#ifndef ENGRAM_SERVICES_EMBEDDING_VOCABULARY_TRIE_H_
#define ENGRAM_SERVICES_EMBEDDING_VOCABULARY_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::embedding {

// Finds the longest token of a vocabulary that a text begins with, in one walk
// over the text's bytes.
//
// Immutable, so thread-safe.
class VocabularyTrie {
 public:
  // A place in the trie: the bytes walked so far.
  using Node = uint32_t;
  // The place that no token goes through.
  static constexpr Node kNowhere = 0;

  struct Match {
    // The token's index in the vocabulary; negative if there is no match.
    int32_t token = -1;
    // How many bytes of the text it covers.
    size_t bytes = 0;
  };

  // `tokens` must be distinct and not empty, and at most 1024 bytes long. The
  // trie keeps no reference to them.
  explicit VocabularyTrie(absl::Span<const absl::string_view> tokens);

  Node root() const { return kRoot; }

  // Returns where `prefix` leads from the root, kNowhere if no token starts so.
  Node Walk(absl::string_view prefix) const;

  // Returns the longest token that equals the bytes that led to `from` and a
  // prefix of `text`, at least one byte of it.
  Match LongestPrefix(Node from, absl::string_view text) const {
    Match match;
    Node node = from;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, text[i]);
      if (node == kNowhere) break;
      if (slots_[node].token >= 0) match = {slots_[node].token, i + 1};
    }
    return match;
  }

 private:
  // A double array: the child of n by byte b is the slot base(n) + b, if that
  // slot's parent is n. Two loads a byte and 12 bytes a slot; the nodes of a
  // vocabulary's frequent words fit the second-level cache.
  struct Slot {
    uint32_t base = kRoot + 1;
    uint32_t parent = kFree;
    int32_t token = -1;
  };
  using Tokens = absl::Span<const std::pair<absl::string_view, int32_t>>;

  static constexpr Node kRoot = 1;
  // The parent of a slot that is not taken.
  static constexpr uint32_t kFree = 0xFFFFFFFF;

  Node Child(Node node, char byte) const {
    const uint32_t child = slots_[node].base + static_cast<uint8_t>(byte);
    return slots_[child].parent == node ? child : kNowhere;
  }

  // Places below `node` the sorted `tokens`, which share their first `depth`
  // bytes: those that lead to `node`.
  void Place(Node node, Tokens tokens, size_t depth);
  // Returns a base at which the slots of all `bytes`, ascending, are free.
  uint32_t FindBase(absl::Span<const uint8_t> bytes);

  // 256 longer than the largest base, so that no child is out of range.
  std::vector<Slot> slots_;
  // While it is built: every slot that may be taken before this one is.
  uint32_t first_free_;
  uint32_t largest_base_ = kRoot + 1;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_VOCABULARY_TRIE_H_
