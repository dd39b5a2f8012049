#include "services/embedding/vocabulary_trie.h"

#include <algorithm>

namespace engram::embedding {

namespace {

constexpr uint32_t kBytes = 256;

}  // namespace

VocabularyTrie::VocabularyTrie(absl::Span<const absl::string_view> tokens)
    // From here on every slot suits every byte, so no holes are left behind.
    : slots_(4 * kBytes), first_free_(2 * kBytes) {
  std::vector<std::pair<absl::string_view, int32_t>> sorted;
  sorted.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    sorted.emplace_back(tokens[i], static_cast<int32_t>(i));
  }
  std::sort(sorted.begin(), sorted.end());
  slots_[kRoot].parent = kRoot;
  Place(kRoot, sorted, 0);
  slots_.resize(largest_base_ + kBytes);
  slots_.shrink_to_fit();
}

VocabularyTrie::Node VocabularyTrie::Walk(absl::string_view prefix) const {
  Node node = kRoot;
  for (const char byte : prefix) {
    node = Child(node, byte);
    if (node == kNowhere) break;
  }
  return node;
}

void VocabularyTrie::Place(Node node, Tokens tokens, size_t depth) {
  // A token that ends here sorts before those that go on.
  if (!tokens.empty() && tokens[0].first.size() == depth) {
    slots_[node].token = tokens[0].second;
    tokens.remove_prefix(1);
  }
  if (tokens.empty()) return;

  std::vector<uint8_t> bytes;
  std::vector<size_t> starts;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint8_t byte = tokens[i].first[depth];
    if (bytes.empty() || bytes.back() != byte) {
      bytes.push_back(byte);
      starts.push_back(i);
    }
  }
  starts.push_back(tokens.size());

  const uint32_t base = FindBase(bytes);
  largest_base_ = std::max(largest_base_, base);
  slots_[node].base = base;
  for (const uint8_t byte : bytes) slots_[base + byte].parent = node;
  for (size_t i = 0; i < bytes.size(); ++i) {
    Place(base + bytes[i], tokens.subspan(starts[i], starts[i + 1] - starts[i]),
          depth + 1);
  }
}

uint32_t VocabularyTrie::FindBase(absl::Span<const uint8_t> bytes) {
  while (slots_[first_free_].parent != kFree) ++first_free_;
  for (uint32_t slot = first_free_;; ++slot) {
    const uint32_t base = slot - bytes[0];
    if (slots_.size() < base + 2 * kBytes) slots_.resize(2 * slots_.size());
    const bool fits = std::all_of(
        bytes.begin(), bytes.end(),
        [&](uint8_t byte) { return slots_[base + byte].parent == kFree; });
    if (fits) return base;
  }
}

}  // namespace engram::embedding
