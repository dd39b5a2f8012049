#include "libs/schema/chunking_reader.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace engram::schema {
namespace {

using chunk::Method;

// In the order of Method.
constexpr absl::string_view kMethods[] = {"none", "tokens", "paragraphs",
                                          "markdown", "code"};
constexpr absl::string_view kAttributes[] = {"by", "headings", "overlap",
                                             "size"};
// The share of a chunk that the next one repeats, unless told otherwise; the
// largest that may be asked for.
constexpr int kDefaultOverlap = 8;
constexpr int kMostOverlap = 2;

// Reads one map of options.
class ChunkingReader {
 public:
  ChunkingReader(const YamlNode& node, absl::string_view path,
                 DocumentReader& document)
      : node_(node), path_(path), document_(document) {}

  void Read(chunk::Options& options) {
    if (!document_.CheckAttributes(node_, path_, kAttributes)) return;
    const YamlNode* by = node_.Find("by");
    if (by == nullptr) {
      document_.Report(node_, PathOf("by"),
                       "is missing; name one of none, tokens, paragraphs, "
                       "markdown, code");
      return;
    }
    const auto method = document_.ReadWord(*by, PathOf("by"), kMethods);
    if (!method.has_value()) return;
    options.method = static_cast<Method>(*method);
    if (options.method == Method::kNone) {
      for (const absl::string_view name : {"headings", "overlap", "size"}) {
        Refuse(name, "none");
      }
      return;
    }
    options.size = ReadNumber("size", chunk::kMinSize, chunk::kMaxSize,
                              chunk::kDefaultSize);
    if (options.method == Method::kTokens) {
      options.overlap = ReadNumber("overlap", 0, options.size / kMostOverlap,
                                   options.size / kDefaultOverlap);
    } else {
      Refuse("overlap", kMethods[*method]);
    }
    if (options.method == Method::kMarkdown) {
      const YamlNode* headings = node_.Find("headings");
      options.headings = headings == nullptr ||
                         document_.ReadBool(headings, PathOf("headings"));
    } else {
      Refuse("headings", kMethods[*method]);
    }
  }

 private:
  std::string PathOf(absl::string_view name) const {
    return JoinPath(path_, name);
  }

  // The default also if it is wrong, so that what depends on it has a value.
  int ReadNumber(absl::string_view name, int least, int most, int standard) {
    const YamlNode* given = node_.Find(name);
    if (given == nullptr) return standard;
    return static_cast<int>(document_.ReadInt(*given, PathOf(name), least, most)
                                .value_or(standard));
  }

  void Refuse(absl::string_view name, absl::string_view method) {
    const YamlNode* given = node_.Find(name);
    if (given == nullptr) return;
    document_.Report(
        *given, PathOf(name),
        absl::StrCat("does not go with by: ", method, "; remove one"));
  }

  const YamlNode& node_;
  const absl::string_view path_;
  DocumentReader& document_;
};

}  // namespace

absl::string_view ChunkingName(Method method) {
  return kMethods[static_cast<size_t>(method)];
}

chunk::Options ReadChunking(const YamlNode& node, absl::string_view path,
                            DocumentReader& document) {
  chunk::Options options;
  if (node.kind == YamlNode::Kind::kMap) {
    ChunkingReader(node, path, document).Read(options);
    return options;
  }
  const auto method = document.ReadWord(node, path, kMethods);
  if (!method.has_value()) return options;
  options.method = static_cast<Method>(*method);
  if (options.method == Method::kNone) return options;
  options.size = chunk::kDefaultSize;
  if (options.method == Method::kTokens) {
    options.overlap = options.size / kDefaultOverlap;
  }
  options.headings = options.method == Method::kMarkdown;
  return options;
}

}  // namespace engram::schema
