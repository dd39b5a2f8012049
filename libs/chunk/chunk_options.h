#ifndef ENGRAM_LIBS_CHUNK_CHUNK_OPTIONS_H_
#define ENGRAM_LIBS_CHUNK_CHUNK_OPTIONS_H_

namespace engram::chunk {

// Where a text may be cut.
enum class Method {
  kNone,        // nowhere: it is one chunk
  kTokens,      // every so many tokens
  kParagraphs,  // between paragraphs
  kMarkdown,    // between sections, then between blocks
  kCode,        // between blocks of source code
};

inline constexpr int kMinSize = 16;
inline constexpr int kMaxSize = 8192;
inline constexpr int kDefaultSize = 256;

// How texts are cut into chunks; docs/chunking.md explains it to users.
struct Options {
  Method method = Method::kNone;
  // The most tokens of a chunk, kMinSize to kMaxSize; 0 with kNone.
  int size = 0;
  // How many of its last tokens the next chunk repeats, 0 to half of `size`;
  // only with kTokens.
  int overlap = 0;
  // Whether a chunk is embedded with the headings that it stands under; only
  // with kMarkdown.
  bool headings = false;

  friend bool operator==(const Options&, const Options&) = default;
};

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_CHUNK_OPTIONS_H_
