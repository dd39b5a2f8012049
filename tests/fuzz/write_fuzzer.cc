// Plays bytes as requests against a store in a file: writes of every kind,
// changes by filter, schema changes, sweeps and time that passes. After each
// the file must be whole, an error must have changed nothing, and a repeat must
// get the first answer.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/log/log.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "tests/fuzz/fuzz_targets.h"
#include "tests/fuzz/write_requests.h"
#include "tests/integration/direct_store.h"
#include "tests/integration/store_checker.h"

namespace engram::fuzz {
namespace {

using storage::testing::CheckStore;
using storage::testing::DirectStore;

// Every attribute of the schema language that a write has to do with.
constexpr absl::string_view kSessions = R"yaml(
collection: sessions
fields:
  key: {type: string, unique: true, collate: nocase, max_length: 40}
  state: {type: string, one_of: [open, closed], default: open, index: true}
  owner: {type: string, immutable: true}
  messages: {type: int}
  tokens: {type: int}
  first: {type: timestamp}
  last: {type: timestamp}
  changed: {type: timestamp, on_update: now}
soft_delete: {keep: 30d}
history: {versions: 3, keep: 90d}
expire: {after: 10d, sliding: true}
)yaml";
constexpr absl::string_view kMessages = R"yaml(
collection: messages
fields:
  session_id: {type: ref(sessions), on_delete: cascade, required: true}
  reply_to: {type: ref(messages), on_delete: set_null}
  kind: {type: string, one_of: [user, tool, system], default: user}
  text: {type: text}
  tokens: {type: int, default: 0, min: -1000, max: 1000000}
  at: {type: timestamp, default: now}
  tags: {type: strings, index: true, max_length: 5, merge: union}
  metadata: {type: json}
  author: {type: string, extract: metadata.author, index: true}
  weight: {type: double, generated: 'tokens * 2.5'}
  blob: {type: bytes}
unique: [[session_id, kind, author]]
checks: ['tokens < 1000 OR kind != "tool"']
full_text: [text]
rollups:
  - parent: session_id
    where: 'kind = "user"'
    set: {messages: count, tokens: sum(tokens), first: min(at), last: max(at)}
vectors:
  text: {source: [kind, text], template: '{kind}: {text}'}
)yaml";
constexpr absl::string_view kFacts = R"yaml(
collection: facts
id: sequence
merge: keep
fields:
  subject: {type: string, required: true, pattern: '[a-z0-9 ]*', unique: true}
  score: {type: double, min: 0, max: 1, merge: max}
  seen: {type: int, default: 0, merge: add}
  least: {type: int, merge: min}
  notes: {type: strings, merge: append}
  mean: {type: double, merge: '(coalesce(mean, 0) * coalesce(seen, 0) + new.mean) / (coalesce(seen, 0) + 1)'}
  flag: {type: bool}
  ends: {type: timestamp}
  session_id: {type: ref(sessions), on_delete: restrict}
expire: {field: ends}
indexes: [[score, -seen], {fields: [flag], where: 'flag'}]
touch: {on: get, set: {seen: '+1'}}
full_text: {fields: {subject: 2.0}, tokenizer: trigram}
vectors:
  image: {supplied: true, dimensions: 2, metric: l2}
)yaml";
constexpr absl::string_view kLinks = R"yaml(
collection: links
fields:
  source: {type: ref(facts), on_delete: cascade, required: true}
  target: {type: ref(facts), on_delete: cascade, required: true}
  kind: {type: string, default: likes}
unique: [[source, target, kind]]
edges: {source: source, target: target, kind: kind}
)yaml";
// What schema changes turn them into: a rename, a type, rules, indexes.
constexpr absl::string_view kOtherFacts = R"yaml(
collection: claims
renamed_from: facts
id: sequence
fields:
  about: {type: text, required: true, renamed_from: subject}
  score: {type: string}
  seen: {type: int, default: 0, index: true}
  session_id: {type: ref(sessions), on_delete: set_null}
soft_delete: true
full_text: [about]
)yaml";
constexpr absl::string_view kOtherMessages = R"yaml(
collection: messages
fields:
  session_id: {type: ref(sessions), on_delete: cascade, required: true}
  text: {type: text, required: true, default: none}
  tokens: {type: int, default: 0}
  tags: {type: strings}
  metadata: {type: json}
vectors:
  text: {source: [text]}
)yaml";

// Aborts with what was broken.
void Require(bool holds, absl::string_view what, absl::string_view detail) {
  if (holds) return;
  std::fprintf(stderr, "%s: %s\n", std::string(what).c_str(),
               std::string(detail).c_str());
  std::abort();
}

void RequireOk(const absl::Status& status, absl::string_view what) {
  Require(status.ok(), what, status.ToString());
}

// One input's store, and what must hold of it.
class Game {
 public:
  Game(const std::string& path, Choices& choices)
      : path_(path), choices_(choices), requests_(choices) {
    auto store = DirectStore::Open(path, clock_,
                                   {.durability = sqlite::Durability::kNormal});
    RequireOk(store.status(), "open");
    store_ = *std::move(store);
  }

  void Play() {
    constexpr int kMaxSteps = 12;
    for (int step = 0; step < kMaxSteps && !choices_.empty(); ++step) {
      const int64_t before = store_->newest_sequence();
      const absl::Status status = Step();
      RequireExpected(status);
      // UpdateWhere and DeleteWhere keep the slices before an error; here all
      // fits one.
      Require(status.ok() || store_->newest_sequence() == before,
              "an error changed something", status.ToString());
      RequireOk(CheckStore(path_), "the store is broken");
    }
  }

 private:
  absl::Status Step() {
    switch (choices_.Below(12)) {
      case 0:
        return Repeatable(requests_.UpdateWhere(), &DirectStore::UpdateWhere);
      case 1:
        return store_->DeleteWhere(requests_.DeleteWhere()).status();
      case 2:
        return ChangeSchema();
      case 3:
        clock_.Advance(absl::Hours(choices_.Below(256)));
        return store_->Sweep();
      default:
        return Repeatable(requests_.Write(), &DirectStore::Write);
    }
  }

  // A request with an id that succeeded gets the same answer again, and changes
  // nothing.
  template <typename Request, typename Response>
  absl::Status Repeatable(
      const Request& request,
      absl::StatusOr<Response> (DirectStore::*call)(const Request&)) {
    const absl::StatusOr<Response> first = ((*store_).*call)(request);
    if (!first.ok() || request.request_id().empty()) return first.status();
    const int64_t sequence = store_->newest_sequence();
    const absl::StatusOr<Response> second = ((*store_).*call)(request);
    RequireOk(second.status(), "a repeat failed");
    Require(second->SerializeAsString() == first->SerializeAsString() &&
                store_->newest_sequence() == sequence,
            "a repeat did something else", request.DebugString());
    return absl::OkStatus();
  }

  absl::Status ChangeSchema() {
    static constexpr absl::string_view kDocuments[] = {
        kSessions, kMessages, kFacts, kLinks, kOtherFacts, kOtherMessages};
    std::vector<std::string> documents;
    for (const absl::string_view document : kDocuments) {
      if (choices_.OneIn(2)) documents.emplace_back(document);
    }
    return store_->ApplySchema(documents, choices_.OneIn(8));
  }

  // What a request may be told; anything else is our own mistake.
  static void RequireExpected(const absl::Status& status) {
    switch (status.code()) {
      case absl::StatusCode::kInternal:
      case absl::StatusCode::kUnknown:
      case absl::StatusCode::kDataLoss:
      case absl::StatusCode::kUnavailable:
        return Require(false, "a request met an inner error",
                       status.ToString());
      default:
        return;
    }
  }

  const std::string path_;
  Choices& choices_;
  Requests requests_;
  engram::testing::FakeClock clock_;
  std::unique_ptr<DirectStore> store_;
};

// A store with the schema, for each input to begin with: made once, for its
// making takes longer than most inputs.
const std::string& Template() {
  static auto* const directory = new engram::testing::TempDirectory();
  static const std::string* const path = [] {
    RequireOk(log::SetLevel("off"), "log");
    auto* const file = new std::string(directory->File("template.db"));
    const engram::testing::FakeClock clock;
    auto store = DirectStore::Open(*file, clock);
    RequireOk(store.status(), "open the template");
    RequireOk(
        (*store)->ApplySchema({std::string(kSessions), std::string(kMessages),
                               std::string(kFacts), std::string(kLinks)}),
        "apply the schema");
    (*store)->database().Close();
    std::atexit([] { delete directory; });
    return file;
  }();
  return *path;
}

}  // namespace

int FuzzWrite(const uint8_t* data, size_t size) {
  const std::string& original = Template();
  const engram::testing::TempDirectory directory;
  const std::string path = directory.File("engram.db");
  std::filesystem::copy_file(original, path);
  Choices choices(data, size);
  Game(path, choices).Play();
  return 0;
}

}  // namespace engram::fuzz
