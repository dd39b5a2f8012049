#include "services/embedding/testing/model_fixtures.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::embedding::testing {
namespace {

using google::protobuf::Struct;

[[noreturn]] void Fail(absl::string_view message) {
  std::cerr << message << "\n";
  std::abort();
}

// Calls `use` with each line of the file `name` in this folder.
void ForEachLine(absl::string_view name,
                 const std::function<void(const Struct&)>& use) {
  const std::string path = absl::StrCat(ENGRAM_MODEL_FIXTURES, "/", name);
  std::ifstream file(path);
  if (!file) Fail(absl::StrCat(path, " cannot be read"));
  for (std::string line; std::getline(file, line);) {
    Struct object;
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(line, &object);
    if (!parsed.ok()) Fail(absl::StrCat(path, ": ", parsed.ToString()));
    use(object);
  }
}

template <typename Value>
std::vector<Value> ReadNumbers(const google::protobuf::Value& list) {
  std::vector<Value> numbers;
  for (const auto& value : list.list_value().values()) {
    numbers.push_back(static_cast<Value>(value.number_value()));
  }
  return numbers;
}

}  // namespace

std::unique_ptr<StaticModel> OpenShippedModel() {
  auto model = StaticModel::Open(
      absl::StrCat(ENGRAM_SHIPPED_MODELS, "/static-minilm-256.model"));
  if (!model.ok()) Fail(model.status().ToString());
  return *std::move(model);
}

std::vector<TokenizedText> ReadWordPieceFixture() {
  std::vector<TokenizedText> texts;
  ForEachLine("wordpiece_fixture.jsonl", [&](const Struct& line) {
    texts.push_back({line.fields().at("text").string_value(),
                     ReadNumbers<int32_t>(line.fields().at("ids"))});
  });
  return texts;
}

std::vector<ReferenceVector> ReadStaticModelFixture() {
  std::vector<ReferenceVector> texts;
  ForEachLine("static_model_fixture.jsonl", [&](const Struct& line) {
    texts.push_back({line.fields().at("text").string_value(),
                     ReadNumbers<float>(line.fields().at("vector"))});
  });
  return texts;
}

}  // namespace engram::embedding::testing
