// What decoding and checking costs a record, from the bytes of a request to the
// values of a new record: bodies as a Struct, and typed ones.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/schema/typed_codec.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_merger.h"
#include "services/storage/testing/collections.h"

namespace engram::storage {
namespace {

constexpr int kRecords = 1000;
constexpr char kSchema[] = R"(
collection: memories
fields:
  content:    {type: text, required: true}
  kind:       {type: string, one_of: [fact, preference, pattern], index: true}
  importance: {type: double, min: 0, max: 1, default: 0.5}
  uses:       {type: int, min: 0, default: 0}
)";

enum class Form { kStruct, kTyped };

// A request of new records of some 300 bytes each, serialised.
std::string RequestBytes(const Collection& collection, Form form) {
  v1::WriteRequest request;
  for (int i = 0; i < kRecords; ++i) {
    v1::WriteItem& item = *request.add_items();
    item.set_collection("memories");
    v1::Record& record = *item.mutable_create();
    record.set_id(absl::StrCat("record-", i));
    const std::string content =
        absl::StrCat("record ", i, " ", std::string(220, 'x'));
    if (form == Form::kStruct) {
      auto& fields = *record.mutable_fields()->mutable_fields();
      fields["content"].set_string_value(content);
      fields["kind"].set_string_value("preference");
      fields["importance"].set_number_value(0.75);
      fields["uses"].set_number_value(i);
      continue;
    }
    const std::vector<ColumnValue> values = {content, "preference", 0.75,
                                             int64_t{i}};
    if (!schema::EncodeTyped(collection.spec, collection.typed, {0, 1, 2, 3},
                             values, record.mutable_typed())
             .ok()) {
      std::abort();
    }
  }
  return request.SerializeAsString();
}

void Run(benchmark::State& state, Form form) {
  const std::vector<CollectionPtr> collections =
      testing::MakeCollections({kSchema});
  Catalog catalog;
  catalog.Publish(collections);
  const std::string bytes = RequestBytes(*collections[0], form);
  StoredRecord record;
  for (auto _ : state) {
    v1::WriteRequest request;
    request.ParseFromString(bytes);
    const absl::StatusOr<RecordBatch> batch =
        DecodeBatch("default", catalog, request);
    FieldViolations violations;
    for (const RecordItem& item : batch->items) {
      record.id = item.id;
      MakeRecord(item, 1, record, violations);
      CheckRecord(*item.collection, nullptr, record, "", 1, violations);
    }
    benchmark::DoNotOptimize(violations.empty());
  }
  state.SetItemsProcessed(state.iterations() * kRecords);
}

void BM_Struct(benchmark::State& state) { Run(state, Form::kStruct); }
void BM_Typed(benchmark::State& state) { Run(state, Form::kTyped); }

BENCHMARK(BM_Struct);
BENCHMARK(BM_Typed);

}  // namespace
}  // namespace engram::storage

BENCHMARK_MAIN();
