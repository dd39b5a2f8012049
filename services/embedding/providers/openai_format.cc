#include "services/embedding/providers/openai_format.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {
namespace {

using simdjson::ondemand::json_type;

// One element of `data`.
struct Item {
  std::vector<float> vector;
  // Some servers leave it out.
  std::optional<int64_t> index;
};

absl::StatusOr<Item> ReadItem(simdjson::ondemand::object object,
                              int dimensions) {
  Item item;
  bool has_vector = false;
  for (auto field : object) {
    const std::string_view key = field.unescaped_key();
    if (key == "embedding") {
      ASSIGN_OR_RETURN(item.vector, ReadVector(field.value(), dimensions));
      has_vector = true;
    } else if (key == "index") {
      item.index = field.value().get_int64();
    }
  }
  if (!has_vector) return absl::InternalError("an element has no embedding");
  return item;
}

// Puts the vectors in the order that their indexes say: that of `data` is not
// promised everywhere, and a vector of another text would never be noticed.
absl::StatusOr<std::vector<std::vector<float>>> InOrder(
    std::vector<Item> items) {
  std::vector<std::vector<float>> vectors(items.size());
  std::vector<bool> seen(items.size());
  const bool has_indexes = !items.empty() && items[0].index.has_value();
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].index.has_value() != has_indexes) {
      return absl::InternalError("only some of the vectors have an index");
    }
    const auto place = static_cast<uint64_t>(items[i].index.value_or(i));
    if (place >= items.size() || seen[place]) {
      return absl::InternalError(absl::StrCat("the index ", place, " of ",
                                              items.size(),
                                              " vectors is not one of theirs, "
                                              "or comes twice"));
    }
    seen[place] = true;
    vectors[place] = std::move(items[i].vector);
  }
  return vectors;
}

// `prompt_tokens` where it is, else `total_tokens`: Voyage has only that.
int64_t ReadUsage(simdjson::ondemand::value usage) {
  int64_t prompt = 0;
  int64_t total = 0;
  if (usage.type() != json_type::object) return 0;
  for (auto field : usage.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "prompt_tokens") prompt = ReadCount(field.value());
    if (key == "total_tokens") total = ReadCount(field.value());
  }
  return prompt > 0 ? prompt : total;
}

}  // namespace

std::string OpenAiFormat::Path() const { return "/embeddings"; }

std::string OpenAiFormat::Encode(const EmbedCall& call) const {
  const ProviderSpec& provider = model().provider;
  std::string body = "{\"model\":";
  json::AppendQuoted(model().spec.id, &body);
  if (provider.encoding == Encoding::kBase64) {
    // Numbers are what all send without being asked.
    body.append(",\"encoding_format\":\"base64\"");
  }
  AppendDimensions(provider.dimensions_field, body);
  AppendTask(provider.task_field, call.purpose, body);
  for (const auto& [name, value] : provider.body) {
    absl::StrAppend(&body, ",\"", name, "\":", value);
  }
  body.append(",\"input\":");
  AppendTexts(call.texts, call.purpose, body);
  body.push_back('}');
  return body;
}

absl::Status OpenAiFormat::Read(simdjson::ondemand::document& document,
                                Answer& answer) const {
  std::vector<Item> items;
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "data") {
      for (auto element : field.value().get_array()) {
        ASSIGN_OR_RETURN(
            items.emplace_back(),
            ReadItem(element.get_object(), model().model.dimensions));
      }
    } else if (key == "usage") {
      answer.tokens = ReadUsage(field.value());
    }
  }
  ASSIGN_OR_RETURN(answer.vectors, InOrder(std::move(items)));
  return absl::OkStatus();
}

}  // namespace engram::embedding
