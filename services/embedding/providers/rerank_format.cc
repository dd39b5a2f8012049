#include "services/embedding/providers/rerank_format.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {
namespace {

// Far beyond what a call may hold.
constexpr uint64_t kMaxPlaces = 100'000;

// Puts the scores of `list` where their indexes say.
absl::Status ReadScores(simdjson::ondemand::array list, Answer& answer) {
  std::vector<std::optional<float>> scores;
  size_t count = 0;
  for (auto element : list) {
    std::optional<uint64_t> index;
    std::optional<double> score;
    for (auto field : element.get_object()) {
      const std::string_view key = field.unescaped_key();
      if (key == "index") index = uint64_t(field.value().get_uint64());
      if (key == "relevance_score" || key == "score") {
        score = double(field.value().get_double());
      }
    }
    if (!index.has_value() || !score.has_value()) {
      return absl::InternalError("a result has no index or no score");
    }
    ++count;
    if (*index >= kMaxPlaces) {
      return absl::InternalError(absl::StrCat("an index is ", *index));
    }
    if (*index >= scores.size()) scores.resize(*index + 1);
    if (scores[*index].has_value()) {
      return absl::InternalError(
          absl::StrCat("the index ", *index, " comes twice"));
    }
    scores[*index] = static_cast<float>(*score);
  }
  // No index came twice: so there is one for each place, or the count is wrong.
  if (scores.size() != count) {
    return absl::InternalError("some texts have no score");
  }
  for (const auto& score : scores) answer.vectors.push_back({*score});
  return absl::OkStatus();
}

}  // namespace

std::string RerankFormat::Path() const {
  return model().provider.format == Format::kCohere ? "/v2/rerank" : "/rerank";
}

std::string RerankFormat::Encode(const EmbedCall& call) const {
  const ProviderSpec& provider = model().provider;
  std::string body = "{";
  const bool is_tei = provider.format == Format::kTei;
  if (is_tei) {
    body.append("\"raw_scores\":false,\"truncate\":false,");
  } else {
    body.append("\"model\":");
    json::AppendQuoted(model().spec.id, &body);
    body.push_back(',');
  }
  for (const auto& [name, value] : provider.body) {
    absl::StrAppend(&body, "\"", name, "\":", value, ",");
  }
  body.append("\"query\":");
  json::AppendQuoted(absl::StrCat(model().spec.query.prefix, call.query),
                     &body);
  body.append(is_tei ? ",\"texts\":" : ",\"documents\":");
  AppendTexts(call.texts, Purpose::kDocument, body);
  body.push_back('}');
  return body;
}

absl::Status RerankFormat::Read(simdjson::ondemand::document& document,
                                Answer& answer) const {
  if (model().provider.format == Format::kTei) {
    return ReadScores(document.get_array(), answer);
  }
  for (auto field : document.get_object()) {
    const std::string_view key = field.unescaped_key();
    // Cohere's name and Voyage's.
    if (key == "results" || key == "data") {
      RETURN_IF_ERROR(ReadScores(field.value().get_array(), answer));
    } else if (key == "usage") {
      answer.tokens = ReadCount(field.value()["total_tokens"]);
    } else if (key == "meta") {
      answer.searches =
          ReadCount(field.value()["billed_units"]["search_units"]);
    }
  }
  return absl::OkStatus();
}

void RerankFormat::ReadHeaders(const http::HttpResponse& response,
                               Answer& answer) const {
  if (answer.tokens == 0) {
    (void)absl::SimpleAtoi(response.Find("x-compute-tokens"), &answer.tokens);
  }
}

}  // namespace engram::embedding
