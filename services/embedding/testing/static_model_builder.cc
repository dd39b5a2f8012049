#include "services/embedding/testing/static_model_builder.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace engram::embedding::testing {
namespace {

constexpr size_t kHeaderBytes = 256;
constexpr size_t kChecksumAt = 192;

// Appends `section` at the next multiple of 64 and enters it in the header.
void AppendSection(std::string& model, size_t entry,
                   absl::string_view section) {
  model.resize((model.size() + 63) / 64 * 64);
  Patch<uint64_t>(model, entry, model.size());
  Patch<uint64_t>(model, entry + 8, section.size());
  model.append(section.data(), section.size());
}

template <typename Value>
void Append(std::string& section, Value value) {
  section.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

std::string BuildStaticModel(const std::vector<TestToken>& tokens,
                             uint32_t max_tokens) {
  std::string rows, scales, offsets, text;
  for (const TestToken& token : tokens) {
    for (const int8_t value : token.row) Append(rows, value);
    Append(scales, token.scale);
    Append<uint32_t>(offsets, text.size());
    text += token.text;
  }
  Append<uint32_t>(offsets, text.size());

  std::string model(kHeaderBytes, '\0');
  model.replace(0, 8, "EngramSM");
  Patch<uint32_t>(model, 8, 1);
  Patch<uint32_t>(model, 12, kHeaderBytes);
  Patch<uint32_t>(model, 16, tokens[0].row.size());
  Patch<uint32_t>(model, 20, tokens.size());
  Patch<uint32_t>(model, 24, max_tokens);
  Patch<uint32_t>(model, 28, 100);
  Patch<uint32_t>(model, 32, 0);
  Patch<uint32_t>(model, 36, 15);
  AppendSection(model, 48, rows);
  AppendSection(model, 64, scales);
  AppendSection(model, 80, offsets);
  AppendSection(model, 96, text);
  Patch<uint64_t>(model, 40, model.size());
  model.replace(128, 16, "0123456789abcdef");
  Sign(model);
  return model;
}

std::string SmallStaticModel() {
  return BuildStaticModel({{"[UNK]", 0.001, {1, 1, 1, 1}},
                           {"photo", 0.5, {100, 0, 0, 0}},
                           {"editor", 0.25, {0, 100, 0, 0}},
                           {"network", 0.5, {0, 0, 100, 0}},
                           {"##s", 0.125, {0, 0, 0, 100}},
                           {"the", 0.01, {-100, 0, 0, 100}},
                           {".", 0.02, {0, -100, 0, 0}}});
}

void Sign(std::string& model) {
  const std::string covered =
      model.substr(0, kChecksumAt) + model.substr(kHeaderBytes);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(covered.data()), covered.size(),
         digest);
  model.replace(kChecksumAt, sizeof(digest),
                reinterpret_cast<const char*>(digest), sizeof(digest));
}

std::string WriteTestFile(absl::string_view bytes) {
  static std::atomic<int> files = 0;
  std::string path = absl::StrCat(::testing::TempDir(), "engram-model-",
                                  getpid(), "-", ++files);
  std::ofstream(path, std::ios::binary).write(bytes.data(), bytes.size());
  return path;
}

}  // namespace engram::embedding::testing
