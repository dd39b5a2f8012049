#include "services/embedding/providers/provider_format.h"

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/cohere_format.h"
#include "services/embedding/providers/gemini_format.h"
#include "services/embedding/providers/json_answer.h"
#include "services/embedding/providers/ollama_format.h"
#include "services/embedding/providers/openai_format.h"
#include "services/embedding/providers/rerank_format.h"
#include "services/embedding/providers/tei_format.h"

namespace engram::embedding {

absl::StatusOr<Answer> ProviderFormat::Decode(http::HttpResponse& response,
                                              size_t texts) const {
  Answer answer;
  RETURN_IF_ERROR(
      ReadJson(response.body, [&](simdjson::ondemand::document& document) {
        return Read(document, answer);
      }));
  ReadHeaders(response, answer);
  if (answer.vectors.size() == texts) return answer;
  return absl::InternalError(absl::StrCat(
      answer.vectors.size(), " vectors came for ", texts, " texts"));
}

void ProviderFormat::AppendTexts(absl::Span<const absl::string_view> texts,
                                 Purpose purpose, std::string& json) const {
  const std::string& prefix = model_.For(purpose).prefix;
  json.push_back('[');
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) json.push_back(',');
    if (prefix.empty()) {
      json::AppendQuoted(texts[i], &json);
    } else {
      json::AppendQuoted(absl::StrCat(prefix, texts[i]), &json);
    }
  }
  json.push_back(']');
}

void ProviderFormat::AppendDimensions(absl::string_view field,
                                      std::string& json) const {
  const int dimensions = model_.asked_dimensions();
  if (dimensions != 0) absl::StrAppend(&json, ",\"", field, "\":", dimensions);
}

void ProviderFormat::AppendTask(absl::string_view field, Purpose purpose,
                                std::string& json) const {
  const std::string& task = model_.For(purpose).task;
  if (task.empty()) return;
  absl::StrAppend(&json, ",\"", field, "\":");
  json::AppendQuoted(task, &json);
}

std::unique_ptr<ProviderFormat> MakeProviderFormat(const RemoteModel& model) {
  if (model.spec.reranks) return std::make_unique<RerankFormat>(model);
  switch (model.provider.format) {
    case Format::kOpenAi:
      return std::make_unique<OpenAiFormat>(model);
    case Format::kGemini:
      return std::make_unique<GeminiFormat>(model);
    case Format::kCohere:
      return std::make_unique<CohereFormat>(model);
    case Format::kOllama:
      return std::make_unique<OllamaFormat>(model);
    case Format::kTei:
      break;
  }
  return std::make_unique<TeiFormat>(model);
}

}  // namespace engram::embedding
