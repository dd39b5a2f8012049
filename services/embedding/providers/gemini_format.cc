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

std::string GeminiFormat::Encode(absl::Span<const absl::string_view> texts,
                                 Purpose purpose) const {
  // Everything but the text is the same for each.
  std::string begin = "{\"model\":";
  json::AppendQuoted(absl::StrCat("models/", model().spec.id), &begin);
  AppendTask("taskType", purpose, begin);
  AppendDimensions("outputDimensionality", begin);
  begin.append(",\"content\":{\"parts\":[{\"text\":");
  const std::string& prefix = model().For(purpose).prefix;
  std::string body = "{\"requests\":[";
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) body.push_back(',');
    body.append(begin);
    json::AppendQuoted(absl::StrCat(prefix, texts[i]), &body);
    body.append("}]}}");
  }
  body.append("]}");
  return body;
}

absl::StatusOr<Answer> GeminiFormat::Decode(http::HttpResponse& response,
                                            size_t texts) const {
  Answer answer;
  const auto read = [&](simdjson::ondemand::document& document) {
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
  };
  RETURN_IF_ERROR(ReadJson(response.body, read));
  RETURN_IF_ERROR(CheckCount(answer.vectors.size(), texts));
  return answer;
}

}  // namespace engram::embedding
