#include "services/search/query_mode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram::search {
namespace {

void DecodeFusion(const v1::Fusion& fusion, ModeOptions& options,
                  FieldViolations& violations) {
  switch (fusion.method()) {
    case v1::Fusion::METHOD_UNSPECIFIED:
    case v1::Fusion::METHOD_RECIPROCAL_RANK:
      break;
    case v1::Fusion::METHOD_WEIGHTED:
      options.fusion = FusionMethod::kWeighted;
      break;
    default:
      violations.Add("fusion.method",
                     absl::StrCat("is ", fusion.method(),
                                  ", which is none; send one of "
                                  "Fusion.Method, or leave it out"));
  }
  if (!fusion.has_semantic_weight()) return;
  options.semantic_weight = fusion.semantic_weight();
  if (!(options.semantic_weight >= 0 && options.semantic_weight <= 1)) {
    violations.Add(
        "fusion.semantic_weight",
        absl::StrCat("is ", fusion.semantic_weight(), "; send 0 to 1"));
  }
}

// Names what was sent that only `modes` have.
class ModeCheck {
 public:
  ModeCheck(absl::string_view modes, FieldViolations& violations)
      : modes_(modes), violations_(violations) {}

  void Refuse(absl::string_view field, bool is_sent) {
    if (!is_sent) return;
    violations_.Add(field, absl::StrCat("is of use only with ", modes_,
                                        "; leave it out, or change the mode"));
  }

 private:
  const absl::string_view modes_;
  FieldViolations& violations_;
};

void CheckHasText(const v1::QueryRequest& request,
                  FieldViolations& violations) {
  if (request.has_text() ||
      request.query_case() == v1::QueryRequest::QUERY_NOT_SET) {
    return;
  }
  violations.Add("text",
                 "is missing: this mode looks for words; send a text, or leave "
                 "mode out");
}

}  // namespace

ModeOptions DecodeMode(const v1::QueryRequest& request,
                       FieldViolations& violations) {
  ModeOptions options;
  switch (request.mode()) {
    case v1::QueryRequest::MODE_UNSPECIFIED:
    case v1::QueryRequest::MODE_SEMANTIC:
      break;
    case v1::QueryRequest::MODE_KEYWORD:
      options.mode = QueryMode::kKeyword;
      break;
    case v1::QueryRequest::MODE_HYBRID:
      options.mode = QueryMode::kHybrid;
      break;
    default:
      violations.Add("mode", absl::StrCat("is ", request.mode(),
                                          ", which is none; send one of "
                                          "QueryRequest.Mode"));
  }
  if (options.mode == QueryMode::kHybrid) {
    DecodeFusion(request.fusion(), options, violations);
    options.allow_degraded = request.allow_degraded();
  } else {
    ModeCheck hybrid("MODE_HYBRID", violations);
    hybrid.Refuse("fusion", request.has_fusion());
    hybrid.Refuse("allow_degraded", request.allow_degraded());
  }
  if (options.mode == QueryMode::kSemantic) return options;
  CheckHasText(request, violations);
  ModeCheck semantic("MODE_SEMANTIC", violations);
  semantic.Refuse("min_score", request.has_min_score());
  semantic.Refuse("group_by", !request.group_by().empty());
  semantic.Refuse("diversity", request.diversity() != 0);
  semantic.Refuse("facets", request.facets_size() > 0);
  if (options.mode == QueryMode::kHybrid) return options;
  ModeCheck vectors("MODE_SEMANTIC and MODE_HYBRID", violations);
  vectors.Refuse("vector_field", !request.vector_field().empty());
  vectors.Refuse("include.vector", request.include().vector());
  vectors.Refuse("include.passage_text", request.include().passage_text());
  vectors.Refuse("exact", request.exact());
  vectors.Refuse("target_recall", request.target_recall() != 0);
  return options;
}

}  // namespace engram::search
