#include "services/embedding/static_model.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::embedding {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the model file is little-endian and used where it lies");

constexpr absl::string_view kMagic = "EngramSM";
constexpr uint32_t kVersion = 1;
// Lower-case, strip accents, split CJK, clean text: what the tokenizer does.
constexpr uint32_t kFlags = 15;
constexpr uint32_t kMaxDimensions = 4096;
constexpr uint32_t kMaxVocabulary = 1 << 24;
constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kSectionAlignment = 64;

struct Section {
  uint64_t offset;
  uint64_t bytes;
};

// The file's first bytes. Stored; docs/design/static_model_format.md draws it.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint32_t dimensions;
  uint32_t vocabulary;
  uint32_t max_tokens;
  uint32_t max_word_characters;
  uint32_t unknown;
  uint32_t flags;
  uint64_t file_bytes;
  Section rows;
  Section scales;
  Section token_offsets;
  Section token_text;
  char reserved[16];
  char revision[64];
  unsigned char checksum[SHA256_DIGEST_LENGTH];
  char padding[32];
};
static_assert(sizeof(Header) == 256);
constexpr size_t kChecksumAt = offsetof(Header, checksum);

absl::string_view RevisionOf(const Header& header) {
  return absl::string_view(header.revision,
                           strnlen(header.revision, sizeof(header.revision)));
}

bool IsZero(absl::Span<const char> bytes) {
  return absl::c_all_of(bytes, [](char byte) { return byte == 0; });
}

absl::Status CheckKind(const Header& header) {
  if (absl::string_view(header.magic, sizeof(header.magic)) != kMagic) {
    return absl::FailedPreconditionError("is no static embedding model");
  }
  if (header.version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("has format version ", header.version,
                     ", and this program reads version ", kVersion));
  }
  return absl::OkStatus();
}

absl::Status CheckIntegrity(const Header& header, absl::string_view file) {
  if (header.file_bytes != file.size()) {
    return absl::DataLossError(absl::StrCat("has ", file.size(), " bytes of ",
                                            header.file_bytes,
                                            "; fetch it again"));
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), EVP_MD_CTX_free);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  if (EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), file.data(), kChecksumAt) != 1 ||
      EVP_DigestUpdate(context.get(), file.data() + sizeof(Header),
                       file.size() - sizeof(Header)) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest, nullptr) != 1) {
    return absl::InternalError("cannot be verified: OpenSSL has no SHA-256");
  }
  // The checksum does not cover what follows it in the header.
  if (std::memcmp(digest, header.checksum, sizeof(digest)) != 0 ||
      !IsZero(header.padding)) {
    return absl::DataLossError("has a wrong checksum; fetch it again");
  }
  return absl::OkStatus();
}

// Checks the numbers of a header that is as it was written.
absl::Status CheckNumbers(const Header& header) {
  if (header.header_bytes != sizeof(Header) || !IsZero(header.reserved)) {
    return absl::FailedPreconditionError(
        "uses parts of the header that this program does not know");
  }
  if (header.flags != kFlags) {
    return absl::FailedPreconditionError(
        absl::StrCat("asks for a tokenizer with flags ", header.flags,
                     ", and this program has the one with flags ", kFlags));
  }
  if (header.dimensions == 0 || header.dimensions > kMaxDimensions ||
      header.vocabulary == 0 || header.vocabulary > kMaxVocabulary ||
      header.unknown >= header.vocabulary || header.max_tokens > INT32_MAX ||
      header.max_word_characters == 0 ||
      header.max_word_characters > WordPieceTokenizer::kMaxWordCharacters) {
    return absl::FailedPreconditionError(absl::StrCat(
        "has numbers out of range: ", header.dimensions, " dimensions, ",
        header.vocabulary, " tokens, unknown token ", header.unknown, ", ",
        header.max_tokens, " tokens a text, ", header.max_word_characters,
        " characters a word"));
  }
  if (RevisionOf(header).empty() ||
      !absl::c_all_of(RevisionOf(header), absl::ascii_isxdigit)) {
    return absl::FailedPreconditionError(
        "has a revision that is no hexadecimal number");
  }
  return absl::OkStatus();
}

// Returns the `count` values of `section`.
template <typename Value>
absl::StatusOr<absl::Span<const Value>> ReadSection(absl::string_view file,
                                                    absl::string_view name,
                                                    const Section& section,
                                                    uint64_t count) {
  if (section.offset < sizeof(Header) ||
      section.offset % kSectionAlignment != 0 || section.offset > file.size() ||
      section.bytes > file.size() - section.offset ||
      section.bytes != count * sizeof(Value)) {
    return absl::DataLossError(
        absl::StrCat("has its section ", name, " at ", section.offset, " with ",
                     section.bytes, " bytes, where it cannot be"));
  }
  return absl::MakeConstSpan(
      reinterpret_cast<const Value*>(file.data() + section.offset), count);
}

absl::StatusOr<std::vector<absl::string_view>> ReadVocabulary(
    absl::string_view file, const Header& header) {
  ASSIGN_OR_RETURN(
      const auto offsets,
      ReadSection<uint32_t>(file, "token_offsets", header.token_offsets,
                            uint64_t{header.vocabulary} + 1));
  ASSIGN_OR_RETURN(const auto text,
                   ReadSection<char>(file, "token_text", header.token_text,
                                     header.token_text.bytes));
  if (offsets.front() != 0 || offsets.back() != text.size()) {
    return absl::DataLossError("has tokens outside of its section token_text");
  }
  std::vector<absl::string_view> tokens;
  absl::flat_hash_set<absl::string_view> seen;
  tokens.reserve(header.vocabulary);
  seen.reserve(header.vocabulary);
  for (uint32_t id = 0; id < header.vocabulary; ++id) {
    if (offsets[id] >= offsets[id + 1] || offsets[id + 1] > text.size() ||
        offsets[id + 1] - offsets[id] > kMaxTokenBytes) {
      return absl::DataLossError(absl::StrCat(
          "has a token ", id, " that is empty, too long or out of order"));
    }
    tokens.emplace_back(text.data() + offsets[id],
                        offsets[id + 1] - offsets[id]);
    if (!seen.insert(tokens.back()).second) {
      return absl::DataLossError(
          absl::StrCat("has the token ", id, " twice: ", tokens.back()));
    }
  }
  return tokens;
}

absl::StatusOr<ScaledRows> ReadTable(absl::string_view file,
                                     const Header& header) {
  ASSIGN_OR_RETURN(
      const auto rows,
      ReadSection<int8_t>(file, "rows", header.rows,
                          uint64_t{header.vocabulary} * header.dimensions));
  ASSIGN_OR_RETURN(
      const auto scales,
      ReadSection<float>(file, "scales", header.scales, header.vocabulary));
  for (size_t id = 0; id < scales.size(); ++id) {
    if (!std::isfinite(scales[id]) || scales[id] < 0) {
      return absl::DataLossError(
          absl::StrCat("has a scale of ", scales[id], " for token ", id));
    }
  }
  return ScaledRows{rows.data(), scales.data(), header.dimensions};
}

absl::StatusOr<Header> ReadHeader(absl::string_view file) {
  Header header;
  if (file.size() < sizeof(header)) {
    return absl::DataLossError(
        absl::StrCat("has only ", file.size(), " bytes; fetch it again"));
  }
  std::memcpy(&header, file.data(), sizeof(header));
  RETURN_IF_ERROR(CheckKind(header));
  RETURN_IF_ERROR(CheckIntegrity(header, file));
  RETURN_IF_ERROR(CheckNumbers(header));
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StaticModel>> StaticModel::Open(
    const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  const absl::string_view file = mapped.bytes();
  const auto read = [&]() -> absl::StatusOr<std::unique_ptr<StaticModel>> {
    ASSIGN_OR_RETURN(const Header header, ReadHeader(file));
    ASSIGN_OR_RETURN(const ScaledRows table, ReadTable(file, header));
    ASSIGN_OR_RETURN(const auto vocabulary, ReadVocabulary(file, header));
    return absl::WrapUnique(new StaticModel(
        std::move(mapped), table,
        WordPieceTokenizer(vocabulary, static_cast<int32_t>(header.unknown),
                           static_cast<int>(header.max_word_characters)),
        static_cast<int>(header.max_tokens), std::string(RevisionOf(header))));
  };
  auto model = read();
  if (!model.ok()) {
    return absl::Status(model.status().code(),
                        absl::StrCat(path, " ", model.status().message()));
  }
  return model;
}

StaticModel::StaticModel(MappedFile file, ScaledRows table,
                         WordPieceTokenizer tokenizer, int max_tokens,
                         std::string revision)
    : file_(std::move(file)),
      table_(table),
      tokenizer_(std::move(tokenizer)),
      max_tokens_(max_tokens),
      revision_(std::move(revision)) {}

std::optional<int> StaticModel::Embed(absl::string_view text, Scratch& scratch,
                                      absl::Span<float> vector) const {
  tokenizer_.Tokenize(text, max_tokens_, scratch.ids);
  if (scratch.ids.empty()) return std::nullopt;
  SumRows(table_, scratch.ids, vector);
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  if (squares == 0) return std::nullopt;
  const float factor = static_cast<float>(1 / std::sqrt(squares));
  for (float& value : vector) value *= factor;
  return static_cast<int>(scratch.ids.size());
}

}  // namespace engram::embedding
