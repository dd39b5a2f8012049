#include "tools/engramctl/search_answer_view.h"

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "libs/json/json.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using search::v1::Explanation;
using search::v1::Facet;
using search::v1::FacetValue;
using search::v1::Stage;

std::string ValueText(const google::protobuf::Value& value) {
  if (value.has_string_value()) return value.string_value();
  std::string text;
  json::AppendJson(value, &text);
  return text;
}

JsonObject FacetAsJson(const Facet& facet) {
  std::vector<JsonObject> values;
  for (const FacetValue& value : facet.values()) {
    values.push_back(
        JsonObject().Value("value", value.value()).Int("count", value.count()));
  }
  return JsonObject()
      .Text("facet", facet.field())
      .List("values", values)
      .Int("value_count", facet.value_count());
}

void PrintFacet(const Console& console, const Facet& facet) {
  Table table({{facet.field()}, {"RECORDS", Table::Align::kRight}});
  for (const FacetValue& value : facet.values()) {
    table.AddRow({ValueText(value.value()), WithCommas(value.count())});
  }
  console.out << "\n";
  PrintTable(console, table);
  const int64_t more = facet.value_count() - facet.values_size();
  if (more > 0) {
    console.out << "and " << WithCommas(more) << " other values\n";
  }
}

absl::string_view StrategyText(Explanation::Strategy strategy) {
  switch (strategy) {
    case Explanation::STRATEGY_SCAN:
      return "every vector was compared with";
    case Explanation::STRATEGY_SCAN_MATCHING:
      return "the vectors of the records that meet the filter were compared "
             "with";
    case Explanation::STRATEGY_GRAPH:
      return "the graph was walked";
    case Explanation::STRATEGY_KEYWORD:
      return "by words, without vectors";
    default:
      return "in a way that is newer than this engramctl";
  }
}

// "scan_matching" for STRATEGY_SCAN_MATCHING.
std::string StrategyName(Explanation::Strategy strategy) {
  std::string name = Explanation::Strategy_Name(strategy);
  name = name.substr(std::string("STRATEGY_").size());
  for (char& letter : name) letter = absl::ascii_tolower(letter);
  return name;
}

double Milliseconds(const Stage& stage) {
  return static_cast<double>(stage.duration().seconds()) * 1e3 +
         stage.duration().nanos() / 1e6;
}

JsonObject ExplanationAsJson(const Explanation& explanation) {
  std::vector<JsonObject> stages;
  for (const Stage& stage : explanation.stages()) {
    stages.push_back(JsonObject()
                         .Text("name", stage.name())
                         .Number("milliseconds", Milliseconds(stage)));
  }
  return JsonObject()
      .Text("strategy", StrategyName(explanation.strategy()))
      .Int("distances", explanation.distances())
      .Int("width", explanation.width())
      .Int("matching_records", explanation.matching_records())
      .Int("records", explanation.records())
      .Int("searches", explanation.searches())
      .List("stages", stages);
}

void PrintRow(const Console& console, absl::string_view name,
              absl::string_view value) {
  console.out << absl::StrFormat("%-10s  %s\n", name, value);
}

}  // namespace

void PrintFacets(const Console& console,
                 const search::v1::QueryResponse& response) {
  for (const Facet& facet : response.facets()) {
    if (console.json) {
      console.out << FacetAsJson(facet).ToString() << "\n";
    } else {
      PrintFacet(console, facet);
    }
  }
}

void PrintExplanation(const Console& console,
                      const search::v1::QueryResponse& response) {
  if (!response.has_explanation()) return;
  const Explanation& explanation = response.explanation();
  if (console.json) {
    console.out << JsonObject()
                       .Object("explanation", ExplanationAsJson(explanation))
                       .ToString()
                << "\n";
    return;
  }
  console.out << "\n";
  PrintRow(console, "found", StrategyText(explanation.strategy()));
  PrintRow(console, "distances", WithCommas(explanation.distances()));
  if (explanation.width() > 0) {
    PrintRow(console, "width", WithCommas(explanation.width()));
  }
  if (explanation.records() > 0) {
    PrintRow(console, "matching",
             absl::StrCat(WithCommas(explanation.matching_records()), " of ",
                          WithCommas(explanation.records()), " records"));
  }
  PrintRow(console, "searches", WithCommas(explanation.searches()));
  for (const Stage& stage : explanation.stages()) {
    PrintRow(console, stage.name(),
             absl::StrFormat("%.3f ms", Milliseconds(stage)));
  }
}

}  // namespace engram::engramctl
