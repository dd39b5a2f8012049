#include "services/embedding/providers/ollama_format.h"

#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {

std::string OllamaFormat::Path() const { return "/api/embed"; }

std::string OllamaFormat::Encode(const EmbedCall& call) const {
  std::string body = "{\"model\":";
  json::AppendQuoted(model().spec.id, &body);
  AppendDimensions("dimensions", body);
  body.append(",\"truncate\":false,\"input\":");
  AppendTexts(call.texts, call.purpose, body);
  body.push_back('}');
  return body;
}

absl::Status OllamaFormat::Read(simdjson::ondemand::document& document,
                                Answer& answer) const {
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "embeddings") {
      ASSIGN_OR_RETURN(answer.vectors, ReadVectors(field.value().get_array(),
                                                   model().model.dimensions));
    } else if (key == "prompt_eval_count") {
      answer.tokens = ReadCount(field.value());
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::embedding
