#include "services/embedding/providers/tei_format.h"

#include "absl/strings/numbers.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {

std::string TeiFormat::Path() const { return "/embed"; }

std::string TeiFormat::Encode(absl::Span<const absl::string_view> texts,
                              Purpose purpose) const {
  std::string body =
      model().spec.normalize ? "{\"normalize\":true" : "{\"normalize\":false";
  AppendTask("prompt_name", purpose, body);
  AppendDimensions("dimensions", body);
  body.append(",\"truncate\":false,\"inputs\":");
  AppendTexts(texts, purpose, body);
  body.push_back('}');
  return body;
}

absl::StatusOr<Answer> TeiFormat::Decode(http::HttpResponse& response,
                                         size_t texts) const {
  Answer answer;
  const auto read = [&](simdjson::ondemand::document& document) {
    ASSIGN_OR_RETURN(answer.vectors, ReadVectors(document.get_array(),
                                                 model().model.dimensions));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ReadJson(response.body, read));
  RETURN_IF_ERROR(CheckCount(answer.vectors.size(), texts));
  (void)absl::SimpleAtoi(response.Find("x-compute-tokens"), &answer.tokens);
  return answer;
}

}  // namespace engram::embedding
