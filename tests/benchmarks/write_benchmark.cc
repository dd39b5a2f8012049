// How fast storage writes, against what it is measured by: each table row runs
// two programs alternately, so that their ratio means something on any machine.
// README.md has the command and results.
//
//   write_benchmark [durable] [network] [bulk] [text] [typed] [memory]
//
// TMPDIR decides which disk is measured. Results go to standard output as rows
// of a Markdown table.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/sqlite/testing/fault_vfs.h"
#include "services/storage/catalog.h"
#include "services/storage/record_batch.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/hand_written_store.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"
#include "tests/e2e/process.h"

namespace engram::benchmarks {
namespace {

using FullText = HandWrittenStore::FullText;

constexpr int kRounds = 7;
constexpr absl::Duration kRoundTime = absl::Seconds(2);
constexpr int kClients = 64;
constexpr int kBulkRecords = 1000;
// What a loader keeps under way, so that one call is decoded while another is
// written.
constexpr int kBulkCalls = 4;
// Calls of one round.
constexpr int kBulkRound = 100;

std::vector<Note> NewNotes(int count) {
  std::vector<Note> notes;
  notes.reserve(count);
  for (int i = 0; i < count; ++i) notes.push_back(NewNote());
  return notes;
}

// Calls a second that write one new note each.
LoadResult WriteOneByOne(Clients& clients) {
  return RunLoad(kClients, {.duration = kRoundTime},
                 [&](int call, std::function<void()> done) {
                   clients.Write(call,
                                 std::make_shared<storage::v1::WriteRequest>(
                                     MakeRequest({NewNote()}, Body::kStruct)),
                                 std::move(done));
                 });
}

// The same by hand: a transaction a note.
double WriteOneByOne(HandWrittenStore& store) {
  int64_t calls = 0;
  const absl::Time start = absl::Now();
  do {
    store.Write({NewNote()});
    ++calls;
  } while (absl::Now() - start < kRoundTime);
  return static_cast<double>(calls) /
         absl::ToDoubleSeconds(absl::Now() - start);
}

// Rows a second of new notes in bulk. What is made of them before the first
// call is the client's work, and not measured.
double WriteInBulk(Clients& clients, Body body) {
  std::vector<std::shared_ptr<storage::v1::WriteRequest>> requests;
  requests.reserve(kBulkRound);
  for (int i = 0; i < kBulkRound; ++i) {
    requests.push_back(std::make_shared<storage::v1::WriteRequest>(
        MakeRequest(NewNotes(kBulkRecords), body)));
  }
  return kBulkRecords * RunLoad(kBulkCalls, {.calls = kBulkRound},
                                [&](int call, std::function<void()> done) {
                                  clients.Write(call, std::move(requests[call]),
                                                std::move(done));
                                })
                            .calls_per_second;
}

double WriteInBulk(HandWrittenStore& store) {
  std::vector<std::vector<Note>> calls;
  calls.reserve(kBulkRound);
  for (int i = 0; i < kBulkRound; ++i) calls.push_back(NewNotes(kBulkRecords));
  const absl::Time start = absl::Now();
  for (const std::vector<Note>& notes : calls) store.Write(notes);
  return kBulkRound * kBulkRecords / absl::ToDoubleSeconds(absl::Now() - start);
}

// Many clients and a slow disk: one sync for all that wait, or one for each.
void MeasureDurable() {
  engram::testing::FaultVfs disk;
  engram::testing::TempDirectory directory;
  {
    LocalStorage storage(FullText::kNone);
    HandWrittenStore by_hand(directory.File("hand.db"), FullText::kNone);
    disk.SlowSyncs(absl::Milliseconds(2));
    const Comparison result = Compare(
        kRounds,
        [&] { return WriteOneByOne(storage.clients()).calls_per_second; },
        [&] { return WriteOneByOne(by_hand); });
    disk.SlowSyncs(absl::ZeroDuration());
    PrintRow(
        "durable writes of one record, 64 clients, syncs 2 ms slower, "
        "against a transaction each",
        absl::StrCat(Rounded(result.ours), "/s"),
        absl::StrCat(Rounded(result.theirs), "/s"),
        absl::StrCat(Rounded(result.ratio, "%.1f"), " x"), ">= 10 x");
  }
}

// The same on the disk as it is, against calls that do nothing.
void MeasureNetwork() {
  LocalStorage storage(FullText::kNone);
  std::vector<LoadResult> writes;
  const Comparison result = Compare(
      kRounds,
      [&] {
        writes.push_back(WriteOneByOne(storage.clients()));
        return writes.back().calls_per_second;
      },
      [&] {
        return RunLoad(kClients, {.duration = kRoundTime},
                       [&](int call, std::function<void()> done) {
                         storage.clients().Echo(call, std::move(done));
                       })
            .calls_per_second;
      });
  std::sort(writes.begin(), writes.end(),
            [](const LoadResult& a, const LoadResult& b) {
              return a.p99 / a.p50 < b.p99 / b.p50;
            });
  const LoadResult& middle = writes[writes.size() / 2];
  PrintRow("the same on this disk, against empty calls of the server",
           absl::StrCat(Rounded(result.ours), "/s"),
           absl::StrCat(Rounded(result.theirs), "/s"),
           absl::StrCat(Rounded(result.ratio * 100), " %"), ">= 30 %");
  PrintRow(
      "their p99 against p50",
      absl::StrCat(Rounded(absl::ToDoubleMilliseconds(middle.p99), "%.1f"),
                   " ms"),
      absl::StrCat(Rounded(absl::ToDoubleMilliseconds(middle.p50), "%.1f"),
                   " ms"),
      absl::StrCat(Rounded(absl::FDivDuration(middle.p99, middle.p50), "%.1f"),
                   " x"),
      "<= 4 x");
}

// Thousands of records a second, JSON in, against prepared statements.
void MeasureBulk(FullText full_text) {
  engram::testing::TempDirectory directory;
  LocalStorage storage(full_text);
  HandWrittenStore by_hand(directory.File("hand.db"), full_text);
  const Comparison result = Compare(
      kRounds, [&] { return WriteInBulk(storage.clients(), Body::kStruct); },
      [&] { return WriteInBulk(by_hand); });
  PrintRow(absl::StrCat("bulk, 1,000 records a call",
                        full_text == FullText::kBody ? ", with full text" : "",
                        ", against a hand-written loop"),
           absl::StrCat(Rounded(result.ours), " rows/s"),
           absl::StrCat(Rounded(result.theirs), " rows/s"),
           absl::StrCat(Rounded(result.ratio * 100), " %"), ">= 60 %");
}

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) / 1e9;
}

// Microseconds of processor time that a record takes from the wire's bytes to a
// checked item.
double DecodeMicroseconds(const storage::Catalog& catalog,
                          const std::string& bytes) {
  constexpr int kRepeats = 100;
  const double start = ThreadSeconds();
  for (int i = 0; i < kRepeats; ++i) {
    storage::v1::WriteRequest request;
    if (!request.ParseFromString(bytes)) std::abort();
    CheckOk(storage::DecodeBatch("default", catalog, request).status());
  }
  return (ThreadSeconds() - start) * 1e6 / kRepeats / kBulkRecords;
}

void MeasureTyped() {
  LocalStorage storage(FullText::kNone);
  storage::Catalog catalog;
  {
    auto reader = CheckOk(sqlite::Connection::Open(storage.DatabaseFile(),
                                                   sqlite::Access::kReadOnly));
    catalog.Publish(CheckOk(storage::ReadCollections(*reader)));
  }
  const std::vector<Note> notes = NewNotes(kBulkRecords);
  const std::string typed =
      MakeRequest(notes, Body::kTyped).SerializeAsString();
  const std::string loose =
      MakeRequest(notes, Body::kStruct).SerializeAsString();
  const Comparison decoding = Compare(
      kRounds, [&] { return DecodeMicroseconds(catalog, typed); },
      [&] { return DecodeMicroseconds(catalog, loose); });
  PrintRow("decoding and checking a typed body, against Struct",
           absl::StrCat(Rounded(decoding.ours, "%.2f"), " us"),
           absl::StrCat(Rounded(decoding.theirs, "%.2f"), " us"),
           absl::StrCat(Rounded(decoding.ratio, "%.2f"), " x"), "<= 0.5 x");
  const Comparison rows = Compare(
      kRounds, [&] { return WriteInBulk(storage.clients(), Body::kTyped); },
      [&] { return WriteInBulk(storage.clients(), Body::kStruct); });
  PrintRow("bulk with typed bodies, against Struct",
           absl::StrCat(Rounded(rows.ours), " rows/s"),
           absl::StrCat(Rounded(rows.theirs), " rows/s"),
           absl::StrCat(Rounded(rows.ratio * 100), " %"), ">= 100 %");
}

// Of a process, in megabytes: what is neither a file's nor shared.
double RssAnonMegabytes(pid_t process) {
  std::ifstream status(absl::StrCat("/proc/", process, "/status"));
  for (std::string line; std::getline(status, line);) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "RssAnon:")) continue;
    double kilobytes = 0;
    absl::ConsumeSuffix(&rest, " kB");
    if (!absl::SimpleAtod(rest, &kilobytes)) break;
    return kilobytes / 1000;
  }
  CheckOk(absl::InternalError("no RssAnon"));
  return 0;
}

// Storage's memory while it takes a million records, at its most.
void MeasureMemory() {
  constexpr int kRecords = 1'000'000;
  engram::testing::TempDirectory directory;
  const std::string address = absl::StrCat("127.0.0.1:", e2e::FreePort());
  e2e::Process process("engram-storage",
                       {"--listen", address, "--metrics-listen", "127.0.0.1:0",
                        "--data-dir", directory.File("data")},
                       directory.File("log"));
  Clients clients(address);
  ApplySchema(clients.channel(), NotesSchema(FullText::kNone));
  double most = 0;
  for (int written = 0; written < kRecords;
       written += kBulkRound * kBulkRecords) {
    WriteInBulk(clients, Body::kStruct);
    most = std::max(most, RssAnonMegabytes(process.pid()));
  }
  PrintRow(
      "memory (RssAnon) at most while 1,000,000 records are written",
      absl::StrCat(Rounded(most), " MB"), "",
      absl::StrCat(Rounded(RssAnonMegabytes(process.pid())), " MB at the end"),
      "< 300 MB");
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"durable", MeasureDurable},
      {"network", MeasureNetwork},
      {"bulk", [] { MeasureBulk(FullText::kNone); }},
      {"text", [] { MeasureBulk(FullText::kBody); }},
      {"typed", MeasureTyped},
      {"memory", MeasureMemory},
  };
  const std::set<std::string> wanted(argv + 1, argv + argc);
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  for (const auto& [name, measure] : parts) {
    if (wanted.empty() || wanted.count(name) > 0) measure();
  }
  return 0;
}

}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
