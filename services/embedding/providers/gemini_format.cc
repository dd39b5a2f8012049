#include "services/embedding/providers/gemini_format.h"

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {

std::string GeminiFormat::Path() const {
  return absl::StrCat("/models/", model().spec.id, ":batchEmbedContents");
}

std::string GeminiFormat::KeyHeader() const { return "x-goog-api-key"; }

std::string GeminiFormat::Encode(const EmbedCall& call) const {
  // Everything but the text is the same for each.
  std::string begin = "{\"model\":";
  json::AppendQuoted(absl::StrCat("models/", model().spec.id), &begin);
  AppendTask("taskType", call.purpose, begin);
  AppendDimensions("outputDimensionality", begin);
  begin.append(",\"content\":{\"parts\":[{\"text\":");
  const std::string& prefix = model().For(call.purpose).prefix;
  std::string body = "{\"requests\":[";
  for (size_t i = 0; i < call.texts.size(); ++i) {
    if (i > 0) body.push_back(',');
    body.append(begin);
    json::AppendQuoted(absl::StrCat(prefix, call.texts[i]), &body);
    body.append("}]}}");
  }
  body.append("]}");
  return body;
}

absl::Status GeminiFormat::Read(simdjson::ondemand::document& document,
                                Answer& answer) const {
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    if (key == "embeddings") {
      for (auto element : field.value().get_array()) {
        ASSIGN_OR_RETURN(answer.vectors.emplace_back(),
                         ReadVector(element.get_object()["values"].value(),
                                    model().model.dimensions));
      }
    } else if (key == "usageMetadata") {
      answer.tokens = ReadCount(field.value()["promptTokenCount"]);
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::embedding
