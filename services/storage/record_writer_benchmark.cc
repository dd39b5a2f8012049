// How many records a second one database takes: decoding and checking, the
// commit with its sync, change log and outbox included; gRPC excluded.
//
// TMPDIR decides which disk is measured.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/storage/database.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/feed.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_writer.h"
#include "services/storage/schema_applier.h"
#include "services/storage/snapshot_reader.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {
namespace {

constexpr char kSchema[] = R"(
collection: packages
fields:
  version:           {type: string}
  section:           {type: string, index: true}
  homepage:          {type: string}
  size:              {type: int, min: 0}
  tags:              {type: strings}
  short_description: {type: text, required: true}
  long_description:  {type: text}
vectors:
  description: {source: [short_description, long_description]}
)";
constexpr int kDimensions = 256;

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  abort();
}

// A database with the collection, on a folder of its own.
class BenchDatabase {
 public:
  explicit BenchDatabase(const char* schema = kSchema) : metrics_(registry_) {
    auto opened = Database::Open("default", directory_.File("engram.db"), 0, {},
                                 &Clock::Real(), &metrics_, [](bool) {});
    CheckOk(opened.status());
    database_ = *std::move(opened);
    google::protobuf::RepeatedPtrField<v1::SchemaDocument> documents;
    documents.Add()->set_yaml(schema);
    auto request = DecodeSchema({}, documents);
    CheckOk(request.status());
    common::v1::Model model;
    model.set_name("bench");
    model.set_fingerprint("bench");
    model.set_dimensions(kDimensions);
    model.set_is_default(true);
    request->models = {model};
    absl::Notification done;
    ApplySchema(*database_, *std::move(request), absl::InfiniteFuture(),
                [&](const absl::StatusOr<AppliedSchema>& applied) {
                  CheckOk(applied.status());
                  done.Notify();
                });
    done.WaitForNotification();
  }

  Database& database() { return *database_; }

  void Commit(absl::AnyInvocable<absl::Status(WriteTransaction&)> run) {
    absl::Notification done;
    database_->Submit({.run = std::move(run), .done = [&](absl::Status status) {
                         CheckOk(status);
                         done.Notify();
                       }});
    done.WaitForNotification();
  }

  // Some 500 bytes a record, as Debian's packages have.
  v1::WriteRequest NewRequest(int records) {
    v1::WriteRequest request;
    for (int i = 0; i < records; ++i) {
      const std::string number = absl::StrCat(++next_id_);
      v1::WriteItem& item = *request.add_items();
      item.set_collection("packages");
      item.mutable_upsert()->set_id(absl::StrCat("package-", number));
      auto& fields = *item.mutable_upsert()->mutable_fields()->mutable_fields();
      fields["version"].set_string_value(absl::StrCat("1.", number, "-1"));
      fields["section"].set_string_value(absl::StrCat("s", next_id_ % 50));
      fields["homepage"].set_string_value(
          absl::StrCat("https://example.org/package/", number));
      fields["size"].set_number_value(next_id_ % 10'000);
      fields["short_description"].set_string_value(
          absl::StrCat("a program that does number ", number));
      fields["long_description"].set_string_value(
          absl::StrCat(number, std::string(300, 'x')));
    }
    return request;
  }

  // Time that the writer spent in transactions, syncs included.
  double WriterSeconds() {
    return metrics_.commit_seconds.Collect().histogram.sample_sum;
  }

  void Write(const v1::WriteRequest& request) {
    auto batch = DecodeBatch("default", database_->catalog(), request);
    CheckOk(batch.status());
    v1::WriteResponse response;
    Commit([&](WriteTransaction& transaction) {
      return WriteRecords(transaction, *database_, *batch, &response);
    });
  }

 private:
  engram::testing::TempDirectory directory_;
  prometheus::Registry registry_;
  StorageMetrics metrics_;
  std::unique_ptr<Database> database_;
  int64_t next_id_ = 0;
};

void BM_WriteNewRecords(benchmark::State& state) {
  BenchDatabase bench;
  const int records = static_cast<int>(state.range(0));
  for (auto unused : state) {
    state.PauseTiming();
    const v1::WriteRequest request = bench.NewRequest(records);
    state.ResumeTiming();
    bench.Write(request);
    CheckOk(bench.database().CheckpointIfLarge());
  }
  state.SetItemsProcessed(state.iterations() * records);
  // What the writer alone could take: in the server others decode, checkpoint
  // and answer meanwhile.
  state.counters["writer_items_per_second"] =
      static_cast<double>(state.iterations() * records) / bench.WriterSeconds();
}
BENCHMARK(BM_WriteNewRecords)
    ->Arg(1)
    ->Arg(100)
    ->Arg(500)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

void BM_DecodeRequest(benchmark::State& state) {
  BenchDatabase bench;
  const v1::WriteRequest request = bench.NewRequest(500);
  for (auto unused : state) {
    auto batch = DecodeBatch("default", bench.database().catalog(), request);
    CheckOk(batch.status());
    benchmark::DoNotOptimize(batch);
  }
  state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(BM_DecodeRequest);

void BM_UpsertExistingRecords(benchmark::State& state) {
  BenchDatabase bench;
  const v1::WriteRequest request = bench.NewRequest(500);
  bench.Write(request);
  for (auto unused : state) {
    bench.Write(request);
    CheckOk(bench.database().CheckpointIfLarge());
  }
  state.SetItemsProcessed(state.iterations() * 500);
}
BENCHMARK(BM_UpsertExistingRecords)->UseRealTime()->MeasureProcessCPUTime();

// Leases entries and stores a vector for each, 256 at a time.
void BM_LeaseAndPutVectors(benchmark::State& state) {
  BenchDatabase bench;
  Database& database = bench.database();
  const std::string values(kDimensions * sizeof(float), '\x3c');
  for (auto unused : state) {
    state.PauseTiming();
    bench.Write(bench.NewRequest(256));
    state.ResumeTiming();
    const LeaseRequest wanted = {.fingerprints = {"bench"},
                                 .now = absl::Now(),
                                 .expire = absl::Now() + absl::Minutes(1),
                                 .lease_id = 1};
    LeaseBudget budget = {.entries = 256, .bytes = 2 << 20};
    v1::LeasePendingResponse leased;
    auto reader = database.AcquireReader();
    CheckOk(reader.status());
    CheckOk(database.outbox().Lease(**reader, wanted, OutboxClass::kFresh,
                                    budget, leased));
    FieldViolations violations;
    std::vector<CheckedPut> puts;
    for (const v1::OutboxEntry& entry : leased.entries()) {
      v1::VectorPut put;
      put.set_entry(entry.entry());
      put.set_generation(entry.generation());
      put.set_content_hash(entry.content_hash());
      put.add_chunks()->set_values(values);
      puts.push_back(CheckPut(database.catalog(), put, "put", violations));
    }
    CheckOk(violations.ToStatus());
    std::vector<v1::PutResult> results;
    bench.Commit([&](WriteTransaction& transaction) {
      return WriteVectors(transaction, "default", database.catalog(), puts,
                          &results);
    });
    CheckOk(database.CheckpointIfLarge());
  }
  state.SetItemsProcessed(state.iterations() * 256);
}
BENCHMARK(BM_LeaseAndPutVectors)->UseRealTime()->MeasureProcessCPUTime();

void BM_ReadSnapshot(benchmark::State& state) {
  BenchDatabase bench;
  for (int i = 0; i < 20; ++i) bench.Write(bench.NewRequest(500));
  for (auto unused : state) {
    SnapshotReader reader(&bench.database(), {});
    while (true) {
      v1::StreamSnapshotResponse message;
      auto has_more = reader.Next(&message);
      CheckOk(has_more.status());
      if (!*has_more) break;
    }
  }
  state.SetItemsProcessed(state.iterations() * 10'000);
}
BENCHMARK(BM_ReadSnapshot);

void BM_ReadChanges(benchmark::State& state) {
  BenchDatabase bench;
  for (int i = 0; i < 20; ++i) bench.Write(bench.NewRequest(500));
  const int64_t newest = bench.database().NewestPosition().sequence;
  for (auto unused : state) {
    for (int64_t sequence = 0; sequence < newest;) {
      v1::WatchChangesResponse response;
      auto next = ReadFeed(bench.database(), sequence, {}, &response);
      CheckOk(next.status());
      sequence = next->sequence;
    }
  }
  state.SetItemsProcessed(state.iterations() * newest);
}
BENCHMARK(BM_ReadChanges);

}  // namespace
}  // namespace engram::storage

BENCHMARK_MAIN();
