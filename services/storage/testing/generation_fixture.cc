#include "services/storage/testing/generation_fixture.h"

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/storage/coverage.h"
#include "services/storage/failure_writer.h"
#include "services/storage/feed.h"
#include "services/storage/generation_list.h"
#include "services/storage/generation_switch.h"
#include "services/storage/schema_applier.h"
#include "services/storage/vector_get.h"
#include "services/storage/vector_writer.h"

namespace engram::storage::testing {
namespace {

constexpr char kNotes[] =
    "{collection: notes, fields: {text: {type: text}}, "
    "vectors: {text: {source: [text]}}}";

absl::Status RunAlone(Database& database,
                      absl::AnyInvocable<absl::Status(WriterAccess&)> work) {
  absl::Status result;
  absl::Notification done;
  database.Submit(
      {.run_alone = std::move(work), .done = [&](absl::Status status) {
         result = std::move(status);
         done.Notify();
       }});
  done.WaitForNotification();
  return result;
}

}  // namespace

GenerationTest::GenerationTest() {
  Register("test/two", "two-v1", 2);
  ApplyDocument(kNotes);
}

void GenerationTest::Register(const std::string& name,
                              const std::string& fingerprint, int dimensions) {
  common::v1::Model& model = models_[name];
  model.set_name(name);
  model.set_fingerprint(fingerprint);
  model.set_dimensions(dimensions);
  model.set_is_default(name == "test/two");
}

absl::Status GenerationTest::Apply(const v1::SchemaTarget& target) {
  auto request = DecodeSchema(target, {});
  if (!request.ok()) return request.status();
  for (const auto& [name, model] : models_) request->models.push_back(model);
  request->allow_destructive = true;
  absl::Status result;
  absl::Notification done;
  storage::ApplySchema(db_.database(), *std::move(request),
                       absl::InfiniteFuture(),
                       [&](const absl::StatusOr<AppliedSchema>& applied) {
                         result = applied.status();
                         done.Notify();
                       });
  done.WaitForNotification();
  return result;
}

void GenerationTest::ApplyDocument(const std::string& document) {
  v1::SchemaTarget target;
  target.add_documents()->set_yaml(document);
  ASSERT_OK(Apply(target));
}

void GenerationTest::Declare(const std::string& attributes) {
  ApplyDocument(absl::StrCat(
      "{collection: notes, fields: {text: {type: text}}, vectors: {text: "
      "{source: [text], ",
      attributes, "}}}"));
}

void GenerationTest::ChangeModel(const std::string& attributes) {
  Register("test/three", "three-v1", 3);
  Declare(absl::StrCat("model: test/three", attributes));
}

void GenerationTest::DropAll() {
  v1::SchemaTarget target;
  target.set_prune(true);
  ASSERT_OK(Apply(target));
}

void GenerationTest::Put(const std::string& id,
                         const std::string& fields_json) {
  ASSERT_OK(
      db_.WriteOne(absl::StrCat(R"({"collection": "notes", "upsert": {"id": ")",
                                id, R"(", "fields": )", fields_json, "}}")));
}

void GenerationTest::Write(const std::string& id, const std::string& text) {
  Put(id, absl::StrCat(R"({"text": ")", text, R"("})"));
}

void GenerationTest::Delete(const std::string& id) {
  ASSERT_OK(db_.WriteOne(absl::StrCat(
      R"({"collection": "notes", "delete": {"id": ")", id, R"("}})")));
}

void GenerationTest::Advance(absl::Duration duration) {
  db_.clock().Advance(duration);
  db_.database().KeepGenerations();
  // The first waits for that work, the second for what it queued.
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(db_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  }
}

std::vector<v1::OutboxEntry> GenerationTest::Lease(
    const std::string& fingerprint) {
  const absl::Time now = db_.clock().Now();
  const LeaseRequest wanted = {.fingerprints = {fingerprint},
                               .now = now,
                               .expire = now + absl::Minutes(1),
                               .lease_id = 1};
  LeaseBudget budget = {.entries = 10'000, .bytes = 16 << 20};
  v1::LeasePendingResponse leased;
  for (const OutboxClass outbox_class : kOutboxClasses) {
    EXPECT_OK(
        db_.database().outbox().Lease(wanted, outbox_class, budget, leased));
  }
  return {leased.entries().begin(), leased.entries().end()};
}

std::vector<std::string> GenerationTest::IdsOf(
    const std::vector<v1::OutboxEntry>& entries) {
  std::vector<std::string> ids;
  for (const v1::OutboxEntry& entry : entries) ids.push_back(entry.id());
  return ids;
}

void GenerationTest::Answer(const std::vector<v1::OutboxEntry>& entries) {
  Database& database = db_.database();
  std::vector<CheckedPut> puts;
  std::vector<AnsweredEntry> answered;
  for (const v1::OutboxEntry& entry : entries) {
    v1::VectorPut put;
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    std::vector<float> vector(entry.fingerprint() == "three-v1" ? 3 : 2);
    vector[0] = 1;
    const absl::string_view packed = vector::Pack(vector);
    put.add_chunks()->set_values(packed.data(), packed.size());
    FieldViolations violations;
    puts.push_back(CheckPut(database.catalog(), put, "put", violations));
    ASSERT_OK(violations.ToStatus());
    answered.push_back(
        {.entry = entry.entry(), .generation = entry.generation()});
  }
  std::vector<v1::PutResult> results;
  ASSERT_OK(db_.Run([&](WriteTransaction& transaction) {
    return WriteVectors(transaction, "default", database.catalog(), puts,
                        &results);
  }));
  for (const v1::PutResult& result : results) {
    EXPECT_EQ(result.outcome(), v1::PutResult::OUTCOME_STORED);
  }
  database.outbox().Release(answered, db_.clock().Now());
}

void GenerationTest::Refuse(const v1::OutboxEntry& entry) {
  std::vector<v1::FailureResult> results;
  ASSERT_OK(db_.Run([&](WriteTransaction& transaction) {
    return WriteFailures(transaction, db_.database().catalog(),
                         {{.entry = entry.entry(),
                           .generation = entry.generation(),
                           .content_hash = entry.content_hash(),
                           .reason = v1::FAILURE_REASON_TEXT_REFUSED,
                           .message = "no"}},
                         &results);
  }));
  EXPECT_EQ(results[0].outcome(), v1::FailureResult::OUTCOME_FAILED);
}

std::map<std::string, int> GenerationTest::EmbedAll(
    const std::string& fingerprint) {
  std::map<std::string, int> embedded;
  const std::vector<v1::OutboxEntry> entries = Lease(fingerprint);
  for (const v1::OutboxEntry& entry : entries) ++embedded[entry.id()];
  Answer(entries);
  return embedded;
}

std::vector<v1::GenerationStatus> GenerationTest::Generations() {
  v1::ListGenerationsRequest request;
  request.set_collection("notes");
  v1::ListGenerationsResponse response;
  EXPECT_OK(
      ListGenerations(db_.database(), db_.clock().Now(), request, &response));
  return {response.generations().begin(), response.generations().end()};
}

std::vector<std::string> GenerationTest::States() {
  std::vector<std::string> states;
  for (const v1::GenerationStatus& status : Generations()) {
    states.push_back(
        absl::StrCat(status.generation().id(), " ",
                     v1::GenerationStatus::State_Name(status.state())
                         .substr(absl::string_view("STATE_").size()),
                     " ", status.missing()));
  }
  return states;
}

absl::StatusOr<v1::SwitchGenerationResponse> GenerationTest::Switch(
    int64_t generation) {
  v1::SwitchGenerationRequest request;
  request.set_collection("notes");
  request.set_generation(generation);
  absl::StatusOr<v1::SwitchGenerationResponse> response;
  const absl::Status status =
      RunAlone(db_.database(), [&](WriterAccess& access) {
        response = SwitchGeneration(db_.database(), access, request);
        return response.status();
      });
  if (!status.ok()) return status;
  return response;
}

absl::Status GenerationTest::Drop(int64_t generation) {
  v1::DropGenerationRequest request;
  request.set_collection("notes");
  request.set_generation(generation);
  return RunAlone(db_.database(), [&](WriterAccess& access) {
    return DropGeneration(db_.database(), access, request).status();
  });
}

std::string GenerationTest::VectorsOf(const std::string& id,
                                      int64_t generation) {
  v1::GetVectorsRequest request;
  request.set_collection("notes");
  request.set_generation(generation);
  request.add_ids(id);
  v1::GetVectorsResponse response;
  EXPECT_OK(GetRecordVectors(db_.database(), request, &response));
  if (response.records().empty()) return "";
  const v1::RecordVectors& record = response.records(0);
  size_t bytes = 0;
  for (const auto& chunk : record.chunks()) bytes = chunk.values().size();
  return absl::StrCat(v1::RecordVectors::State_Name(record.state())
                          .substr(absl::string_view("STATE_").size()),
                      " ", bytes / sizeof(float));
}

v1::VectorFieldCoverage GenerationTest::Coverage() {
  v1::GetCoverageResponse response;
  EXPECT_OK(ReadCoverage(db_.database(), "notes", &response));
  return response.vector_fields_size() == 1 ? response.vector_fields(0)
                                            : v1::VectorFieldCoverage();
}

v1::WatchChangesResponse GenerationTest::Feed() {
  v1::WatchChangesResponse feed;
  EXPECT_OK(ReadFeed(db_.database(), 0, {}, &feed));
  return feed;
}

bool GenerationTest::HasTable(const std::string& name) {
  return db_.QueryInt(absl::StrCat(
             "SELECT count(*) FROM sqlite_schema WHERE name = '", name, "'")) ==
         1;
}

}  // namespace engram::storage::testing
