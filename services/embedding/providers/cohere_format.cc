#include "services/embedding/providers/cohere_format.h"

#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {

std::string CohereFormat::Path() const { return "/v2/embed"; }

std::string CohereFormat::Encode(const EmbedCall& call) const {
  std::string body = "{\"model\":";
  json::AppendQuoted(model().spec.id, &body);
  AppendTask("input_type", call.purpose, body);
  AppendDimensions("output_dimension", body);
  body.append(
      ",\"embedding_types\":[\"float\"],\"truncate\":\"NONE\","
      "\"texts\":");
  AppendTexts(call.texts, call.purpose, body);
  body.push_back('}');
  return body;
}

absl::Status CohereFormat::Read(simdjson::ondemand::document& document,
                                Answer& answer) const {
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "embeddings") {
      ASSIGN_OR_RETURN(
          answer.vectors,
          ReadVectors(field.value().get_object()["float"].get_array(),
                      model().model.dimensions));
    } else if (key == "meta") {
      answer.tokens = ReadCount(field.value()["billed_units"]["input_tokens"]);
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::embedding
