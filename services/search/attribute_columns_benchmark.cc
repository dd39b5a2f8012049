// How long a filter takes, and what the attributes of a record take of memory.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/held_fields.h"
#include "libs/schema/record_scope.h"
#include "services/search/attribute_columns.h"

namespace engram::search {
namespace {

constexpr int kRecords = 1'000'000;

constexpr char kMemories[] = R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  path: {type: string, index: true}
  stars: {type: int, index: true}
  score: {type: double, index: true}
  tags: {type: strings, index: true}
vectors: {body: {source: [body]}}
)";

constexpr const char* kFilters[] = {
    "kind = 'kind-3'",
    "kind IN ('kind-3', 'kind-5') AND stars < 1000",
    "stars >= 500000",
    "score < 0.001",
    "tags HAS 'tag-7' AND NOT kind = 'kind-3'",
    "path = 'src/file-77777.cc'",
    "path PREFIX 'src/file-7'",
    "kind LIKE '%3'",
    "stars > score * 1000000",
    "_create_time > now - 7d",
};

AttributeColumns& Columns() {
  static AttributeColumns* const columns = [] {
    auto schema = std::make_shared<CollectionSchema>();
    schema->spec = *schema::ParseCollection("memories", kMemories);
    for (size_t i = 0; i < schema->spec.fields.size(); ++i) {
      schema->layout.numbers.push_back(static_cast<int>(i) + 1);
    }
    schema->held = schema::HeldFields(schema->spec);
    auto* const made = new AttributeColumns(schema);
    made->CompleteFrom(0);
    for (int row = 1; row <= kRecords; ++row) {
      std::string fields;
      const std::vector<schema::FieldValue> values = {
          absl::StrCat("kind-", row % 10),
          absl::StrCat("src/file-", row, ".cc"),
          int64_t{row * 7919LL % kRecords}, row * 104729LL % kRecords / 1e6,
          absl::StrCat(R"(["tag-)", row % 100, R"(","tag-)", row % 7, "\"]")};
      schema::EncodeTyped(schema->spec, schema->layout, schema->held,
                          absl::MakeConstSpan(values), &fields)
          .IgnoreError();
      made->Apply({{.row = row, .fields = fields}}, row);
    }
    return made;
  }();
  return *columns;
}

void BM_Filter(benchmark::State& state) {
  AttributeColumns& columns = Columns();
  const auto schema = columns.schema();
  const char* const text = kFilters[state.range(0)];
  const auto condition =
      filter::ParseFilter(text, schema::RecordScope(schema->spec), {});
  if (!condition.ok()) std::abort();
  int64_t found = 0;
  for (auto _ : state) {
    const absl::Status status =
        columns.Find({.schema = schema, .condition = *condition}, absl::Now(),
                     absl::InfiniteFuture(),
                     [&](const MatchingRows& rows) { found = rows.count(); });
    if (!status.ok()) std::abort();
  }
  state.SetLabel(absl::StrCat(text, ": ", found));
  state.counters["bytes_a_record"] =
      static_cast<double>(columns.memory_bytes()) / kRecords;
}

BENCHMARK(BM_Filter)
    ->DenseRange(0, std::size(kFilters) - 1)
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace engram::search

BENCHMARK_MAIN();
