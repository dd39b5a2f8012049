#include "tests/benchmarks/search/text_data.h"

#include <fstream>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/embedding/static_model.h"
#include "services/embedding/testing/model_fixtures.h"
#include "tests/benchmarks/check.h"

namespace engram::benchmarks {

SearchData MakeTextData(const std::string& path, int64_t queries, int limit) {
  const auto model = embedding::testing::OpenShippedModel();
  std::vector<float> all;
  std::vector<float> vector(model->dimensions());
  embedding::StaticModel::Scratch scratch;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    if (!model->Embed(text, scratch, absl::MakeSpan(vector)).has_value()) {
      continue;
    }
    all.insert(all.end(), vector.begin(), vector.end());
  }
  SearchData data = {
      .dimensions = model->dimensions(), .queries = queries, .limit = limit};
  const int64_t texts = static_cast<int64_t>(all.size()) / data.dimensions;
  const int64_t every = texts / queries;
  if (every < limit) {
    CheckOk(absl::InvalidArgumentError(
        absl::StrCat(path, " has too few texts: ", texts)));
  }
  for (int64_t i = 0; i < texts; ++i) {
    const bool is_query = i % every == 0 && i / every < queries;
    std::vector<float>& to = is_query ? data.query_rows : data.rows;
    to.insert(to.end(), &all[i * data.dimensions],
              &all[i * data.dimensions] + data.dimensions);
  }
  data.count = texts - queries;
  FillNearest(data);
  return data;
}

}  // namespace engram::benchmarks
