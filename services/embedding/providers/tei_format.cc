#include "services/embedding/providers/tei_format.h"

#include "absl/strings/numbers.h"
#include "libs/status/status_macros.h"
#include "services/embedding/providers/json_answer.h"

namespace engram::embedding {

std::string TeiFormat::Path() const { return "/embed"; }

std::string TeiFormat::Encode(const EmbedCall& call) const {
  std::string body =
      model().spec.normalize ? "{\"normalize\":true" : "{\"normalize\":false";
  AppendTask("prompt_name", call.purpose, body);
  AppendDimensions("dimensions", body);
  body.append(",\"truncate\":false,\"inputs\":");
  AppendTexts(call.texts, call.purpose, body);
  body.push_back('}');
  return body;
}

absl::Status TeiFormat::Read(simdjson::ondemand::document& document,
                             Answer& answer) const {
  ASSIGN_OR_RETURN(answer.vectors,
                   ReadVectors(document.get_array(), model().model.dimensions));
  return absl::OkStatus();
}

void TeiFormat::ReadHeaders(const http::HttpResponse& response,
                            Answer& answer) const {
  (void)absl::SimpleAtoi(response.Find("x-compute-tokens"), &answer.tokens);
}

}  // namespace engram::embedding
