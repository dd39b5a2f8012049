// How fast storage reads, against what it is measured by: each table row runs
// two programs alternately, so that their ratio means something on any machine.
// README.md has the command and results.
//
//   read_benchmark [get] [typed] [list]
//
// TMPDIR decides which disk is measured. Results go to standard output as rows
// of a Markdown table.

#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/rpc/arena_message.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

using FullText = HandWrittenStore::FullText;

constexpr int kRounds = 7;
constexpr absl::Duration kRoundTime = absl::Seconds(2);
constexpr int kClients = 64;
constexpr int kNotesToGet = 100'000;
constexpr int kNotesToList = 1'000'000;
constexpr int kNotesACall = 1000;
// Of NewNote.
constexpr int kKinds = 20;
constexpr int kPageSize = 100;
// Of one round, one after the other.
constexpr int kPages = 400;

// Fills a new storage; returns the notes' ids.
std::vector<std::string> Fill(LocalStorage& storage, int count) {
  std::vector<std::string> ids;
  RunLoad(2, {.calls = count / kNotesACall},
          [&](int call, std::function<void()> done) {
            static absl::Mutex mutex;
            std::vector<Note> notes;
            notes.reserve(kNotesACall);
            for (int i = 0; i < kNotesACall; ++i) notes.push_back(NewNote());
            {
              absl::MutexLock lock(&mutex);
              for (const Note& note : notes) ids.push_back(note.id);
            }
            storage.clients().Write(call,
                                    std::make_shared<storage::v1::WriteRequest>(
                                        MakeRequest(notes, Body::kTyped)),
                                    std::move(done));
          });
  return ids;
}

struct Rate {
  double calls_per_second = 0;
  // Processor time of client and server.
  double microseconds = 0;
};

Rate MeasureRate(StartCall start) {
  const std::clock_t processor = std::clock();
  const absl::Time begin = absl::Now();
  const double rate =
      RunLoad(kClients, {.duration = kRoundTime}, std::move(start))
          .calls_per_second;
  const double calls = rate * absl::ToDoubleSeconds(absl::Now() - begin);
  return {.calls_per_second = rate,
          .microseconds = static_cast<double>(std::clock() - processor) * 1e6 /
                          CLOCKS_PER_SEC / calls};
}

Rate Get(LocalStorage& storage, const std::vector<std::string>& ids,
         Body body) {
  return MeasureRate([&](int call, std::function<void()> done) {
    auto request = std::make_shared<storage::v1::RecordServiceGetRequest>();
    request->set_collection("notes");
    // Far from the one before, as ids go.
    request->set_id(ids[static_cast<size_t>(call) * 7919 % ids.size()]);
    request->set_typed(body == Body::kTyped);
    storage.clients().Get(call, std::move(request), std::move(done));
  });
}

Rate Echo(LocalStorage& storage) {
  return MeasureRate([&](int call, std::function<void()> done) {
    storage.clients().Echo(call, std::move(done));
  });
}

// Notes by id, one a call, all fields, against calls that do nothing.
void MeasureGet(Body body) {
  LocalStorage storage(FullText::kNone);
  const std::vector<std::string> ids = Fill(storage, kNotesToGet);
  std::vector<double> ours, theirs;
  const Comparison result = Compare(
      kRounds,
      [&] {
        const Rate rate = Get(storage, ids, body);
        ours.push_back(rate.microseconds);
        return rate.calls_per_second;
      },
      [&] {
        const Rate rate = Echo(storage);
        theirs.push_back(rate.microseconds);
        return rate.calls_per_second;
      });
  const std::string what =
      absl::StrCat("point Get by id, 64 clients, ",
                   body == Body::kTyped ? "typed bodies" : "by name",
                   ", against empty calls of the server");
  PrintRow(what, absl::StrCat(Rounded(result.ours), "/s"),
           absl::StrCat(Rounded(result.theirs), "/s"),
           absl::StrCat(Rounded(result.ratio * 100), " %"), ">= 70 %");
  PrintRow("their processor time, both ends",
           absl::StrCat(Rounded(Median(ours), "%.1f"), " us"),
           absl::StrCat(Rounded(Median(theirs), "%.1f"), " us"),
           absl::StrCat(Rounded(Median(theirs) / Median(ours) * 100), " %"),
           "");
}

// Microseconds that each of `count` runs takes on average.
double Microseconds(int count, const std::function<void(int)>& run) {
  const absl::Time start = absl::Now();
  for (int i = 0; i < count; ++i) run(i);
  return absl::ToDoubleMicroseconds(absl::Now() - start) / count;
}

// One client that goes from page to page of the notes of a kind, each round
// another one.
class PageReader {
 public:
  explicit PageReader(LocalStorage& storage)
      : records_(
            storage::v1::RecordService::NewStub(storage.clients().channel())),
        health_(grpc::health::v1::Health::NewStub(storage.clients().channel())),
        connection_(CheckOk(sqlite::Connection::Open(
            storage.DatabaseFile(), sqlite::Access::kReadOnly))) {}

  // Each in microseconds a page, or a call.
  double List(Body body) {
    storage::v1::RecordServiceListRequest request;
    request.set_collection("notes");
    request.set_filter("kind = :kind");
    (*request.mutable_parameters()->mutable_fields())["kind"].set_string_value(
        NextKind());
    request.set_page_size(kPageSize);
    request.set_typed(body == Body::kTyped);
    rpc::ArenaMessage<storage::v1::RecordServiceListResponse> page;
    return Microseconds(kPages, [&](int) {
      grpc::ClientContext context;
      auto& response = *page.Renew();
      CheckOk(records_->List(&context, request, &response));
      CheckFull(response.records_size());
      request.set_page_token(response.next_page_token());
    });
  }

  // The same by a prepared statement, twice, then an empty call.
  double TwiceByHandAndEcho() {
    const std::string kind = NextKind();
    int64_t row = 0;
    return Microseconds(kPages / 2, [&](int) {
      for (int i = 0; i < 2; ++i) row = ReadByHand(kind, row);
      grpc::ClientContext context;
      grpc::health::v1::HealthCheckResponse response;
      CheckOk(health_->Check(&context, {}, &response));
    });
  }

  double ListByHand() {
    const std::string kind = NextKind();
    int64_t row = 0;
    return Microseconds(kPages, [&](int) { row = ReadByHand(kind, row); });
  }

  double Echo() {
    return Microseconds(kPages, [&](int) {
      grpc::ClientContext context;
      grpc::health::v1::HealthCheckResponse response;
      CheckOk(health_->Check(&context, {}, &response));
    });
  }

 private:
  // The page after `row`; returns its last row.
  int64_t ReadByHand(const std::string& kind, int64_t row) {
    auto select = CheckOk(connection_->Cached(
        "SELECT _row, id, _version, _created_us, _updated_us, title, kind, "
        "score, body FROM notes WHERE kind = ? AND _row > ? "
        "ORDER BY _row LIMIT ?"));
    select.BindText(1, kind);
    select.BindInt(2, row);
    select.BindInt(3, kPageSize);
    std::vector<Note> notes;
    int64_t sum = 0;
    while (CheckOk(select.Step())) {
      row = select.Int(0);
      sum += select.Int(2) + select.Int(3) + select.Int(4);
      notes.push_back({.id = std::string(select.Text(1)),
                       .title = std::string(select.Text(5)),
                       .kind = std::string(select.Text(6)),
                       .score = select.Double(7),
                       .body = std::string(select.Text(8))});
    }
    CheckFull(sum > 0 ? static_cast<int>(notes.size()) : 0);
    return row;
  }
  std::string NextKind() {
    return absl::StrCat("kind-", ++round_ / 2 % kKinds);
  }
  static void CheckFull(int records) {
    if (records != kPageSize) CheckOk(absl::InternalError("not a full page"));
  }

  const std::unique_ptr<storage::v1::RecordService::Stub> records_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  const std::unique_ptr<sqlite::Connection> connection_;
  int round_ = 0;
};

// A page by an indexed filter, against twice the time that SQLite needs for the
// same, and an empty call.
void MeasureList(PageReader& reader, Body body) {
  std::vector<double> by_hand;
  std::vector<double> echo;
  const Comparison result = Compare(
      kRounds, [&] { return reader.List(body); },
      [&] {
        by_hand.push_back(reader.ListByHand());
        echo.push_back(reader.Echo());
        return reader.TwiceByHandAndEcho();
      });
  PrintRow(absl::StrCat(
               "List, a page of 100 by an indexed filter out of 1,000,000, ",
               body == Body::kTyped ? "typed bodies" : "by name",
               ", against twice the same SQL in-process, then an empty call"),
           absl::StrCat(Rounded(result.ours), " us"),
           absl::StrCat(Rounded(result.theirs), " us; alone 2 x ",
                        Rounded(Median(by_hand)), " + ", Rounded(Median(echo))),
           absl::StrCat(Rounded(result.ratio, "%.2f"), " x"), "<= 1 x");
}

void MeasureLists() {
  LocalStorage storage(FullText::kNone);
  Fill(storage, kNotesToList);
  PageReader reader(storage);
  MeasureList(reader, Body::kStruct);
  MeasureList(reader, Body::kTyped);
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"get", [] { MeasureGet(Body::kStruct); }},
      {"typed", [] { MeasureGet(Body::kTyped); }},
      {"list", MeasureLists},
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
