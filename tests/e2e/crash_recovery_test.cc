#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

constexpr int kCreatesInBatch = 40;
constexpr int kRewritesInBatch = 5;
constexpr int kDeletesInBatch = 5;

// Writes batches that create, rewrite and delete notes, and knows what must be
// there after those that were acknowledged.
class Importer {
 public:
  explicit Importer(Cluster& cluster) : cluster_(cluster) {}

  // Writes until a call fails.
  void Run() {
    while (WriteBatch()) {
    }
  }

  // Every acknowledged change is there, and the batch that was under way is
  // there as a whole or not at all.
  void Check() {
    CheckUnacknowledged();
    std::vector<std::string> ids;
    for (const auto& [id, text] : texts_) {
      ids.push_back(id);
      if (ids.size() == 1000) CheckRecords(std::exchange(ids, {}));
    }
    if (!ids.empty()) CheckRecords(ids);
    CheckDeleted();
  }

  size_t acknowledged_batches() const { return acknowledged_batches_; }
  size_t records() const { return texts_.size(); }

 private:
  // Returns whether the batch was acknowledged.
  bool WriteBatch() {
    storage::v1::WriteRequest request;
    std::map<std::string, std::string> after;  // An empty text is a delete.
    for (int i = 0; i < kCreatesInBatch; ++i) {
      after[absl::StrCat("n-", next_id_++)] = text_(10);
    }
    for (int i = 0; i < kRewritesInBatch + kDeletesInBatch; ++i) {
      if (texts_.empty()) break;
      auto victim =
          texts_.lower_bound(absl::StrCat("n-", text_.Below(next_id_)));
      if (victim == texts_.end()) victim = texts_.begin();
      after[victim->first] = i < kRewritesInBatch ? text_(10) : "";
    }
    for (const auto& [id, text] : after) {
      auto* item = request.add_items();
      item->set_collection("notes");
      if (text.empty()) {
        item->mutable_delete_()->set_id(id);
      } else {
        item->mutable_upsert()->set_id(id);
        (*item->mutable_upsert()->mutable_fields()->mutable_fields())["text"]
            .set_string_value(text);
      }
    }
    storage::v1::WriteResponse response;
    if (!cluster_.records()
             .Write(Cluster::Context().get(), request, &response)
             .ok()) {
      unacknowledged_ = std::move(after);
      return false;
    }
    Apply(after);
    ++acknowledged_batches_;
    return true;
  }

  void Apply(const std::map<std::string, std::string>& after) {
    for (const auto& [id, text] : after) {
      if (text.empty()) {
        texts_.erase(id);
        deleted_.push_back(id);
      } else {
        texts_[id] = text;
      }
    }
  }

  storage::v1::BatchGetResponse Get(const std::vector<std::string>& ids) {
    storage::v1::BatchGetRequest request;
    request.set_collection("notes");
    request.mutable_ids()->Add(ids.begin(), ids.end());
    storage::v1::BatchGetResponse response;
    const grpc::Status status = cluster_.records().BatchGet(
        Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  void CheckUnacknowledged() {
    // Created ids tell whether the batch went in: nobody else makes them.
    std::vector<std::string> created;
    for (const auto& [id, text] : unacknowledged_) {
      if (!text.empty() && texts_.count(id) == 0) created.push_back(id);
    }
    if (created.empty()) return;
    const auto found = Get(created);
    if (found.records_size() > 0) {
      EXPECT_EQ(found.missing_ids_size(), 0) << "a batch is half there";
      Apply(unacknowledged_);
    }
    unacknowledged_.clear();
  }

  void CheckRecords(const std::vector<std::string>& ids) {
    const auto found = Get(ids);
    EXPECT_EQ(found.missing_ids_size(), 0);
    for (const auto& record : found.records()) {
      EXPECT_EQ(record.fields().fields().at("text").string_value(),
                texts_[record.id()]);
    }
  }

  void CheckDeleted() {
    for (size_t i = 0; i < deleted_.size(); i += 1000) {
      const std::vector<std::string> ids(
          deleted_.begin() + i,
          deleted_.begin() + std::min(deleted_.size(), i + 1000));
      EXPECT_EQ(Get(ids).records_size(), 0);
    }
  }

  Cluster& cluster_;
  RandomText text_{7};
  int next_id_ = 0;
  size_t acknowledged_batches_ = 0;
  std::map<std::string, std::string> texts_;
  std::vector<std::string> deleted_;
  std::map<std::string, std::string> unacknowledged_;
};

TEST(CrashRecoveryTest, TenKillsOfEverythingDuringAnImportLoseNothing) {
  Cluster cluster;
  cluster.Start();
  cluster.ApplySchema(kNotesSchema);
  Importer importer(cluster);
  RandomText random(::testing::UnitTest::GetInstance()->random_seed());
  for (int round = 0; round < 10; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    const size_t before = importer.acknowledged_batches();
    std::thread import([&] { importer.Run(); });
    // A random moment is the point: from the first batches to a backlog that
    // embedding and search are in the middle of.
    absl::SleepFor(absl::Milliseconds(50 + random.Below(1500)));
    cluster.Kill();
    import.join();
    EXPECT_GT(importer.acknowledged_batches(), before);

    cluster.Start();
    importer.Check();
    cluster.WaitForCoverage("notes");
    const auto verified = cluster.Verify("notes");
    EXPECT_EQ(verified.difference_count(), 0) << verified.DebugString();
    EXPECT_EQ(verified.vectors(), static_cast<int64_t>(importer.records()));
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace engram::e2e
