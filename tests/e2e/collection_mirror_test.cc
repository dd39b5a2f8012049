// The example of docs/examples/collection_mirror, as an application runs it:
// killed and started again while others write, its copy becomes the collection.

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/process.h"

namespace engram::e2e {
namespace {

using storage::v1::Record;

constexpr absl::string_view kNotes = R"yaml(
collection: notes
fields:
  title: {type: string, required: true}
  stars: {type: int}
)yaml";
constexpr int kKills = 5;
constexpr int kIds = 200;

class CollectionMirrorTest : public ::testing::Test {
 protected:
  CollectionMirrorTest()
      : address_(absl::StrCat("127.0.0.1:", FreePort())),
        storage_("engram-storage",
                 {"--listen", address_, "--metrics-listen", "127.0.0.1:0",
                  "--data-dir", directory_.File("data")},
                 directory_.File("storage.log")),
        channel_(
            grpc::CreateChannel(address_, grpc::InsecureChannelCredentials())),
        records_(storage::v1::RecordService::NewStub(channel_)),
        feed_(storage::v1::FeedService::NewStub(channel_)) {}

  void SetUp() override {
    ASSERT_TRUE(channel_->WaitForConnected(
        absl::ToChronoTime(absl::Now() + absl::Minutes(1))));
    storage::v1::ApplySchemaRequest request;
    request.add_documents()->set_yaml(std::string(kNotes));
    storage::v1::ApplySchemaResponse response;
    const auto status =
        storage::v1::CatalogService::NewStub(channel_)->ApplySchema(
            Cluster::Context().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  void StartMirror() {
    mirror_.emplace("collection_mirror",
                    std::vector<std::string>{address_, "notes", File()},
                    directory_.File("mirror.log"));
  }

  std::string File() const { return directory_.File("notes.mirror"); }

  // Creates, changes or deletes one of few records.
  void WriteOne(RandomText& random) {
    storage::v1::WriteRequest request;
    storage::v1::WriteItem& item = *request.add_items();
    item.set_collection("notes");
    const std::string id = absl::StrCat("n", random.Below(kIds));
    if (random.Below(4) == 0) {
      item.mutable_delete_()->set_id(id);
    } else {
      item.mutable_upsert()->set_id(id);
      auto& fields = *item.mutable_upsert()->mutable_fields()->mutable_fields();
      fields["title"].set_string_value(random(3));
      fields["stars"].set_number_value(random.Below(100));
    }
    storage::v1::WriteResponse response;
    // To delete what is not there is an error that harms nothing.
    const auto status =
        records_->Write(Cluster::Context().get(), request, &response);
    if (!status.ok() && status.error_code() != grpc::StatusCode::NOT_FOUND) {
      ADD_FAILURE() << status.error_message();
    }
  }

  // By id, as JSON.
  std::map<std::string, std::string> Stored() {
    storage::v1::RecordServiceListRequest request;
    request.set_collection("notes");
    request.set_page_size(1000);
    storage::v1::RecordServiceListResponse response;
    const auto status =
        records_->List(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::map<std::string, std::string> stored;
    for (const Record& record : response.records()) {
      stored[record.id()] = Json(record);
    }
    return stored;
  }
  std::map<std::string, std::string> Mirrored() const {
    std::map<std::string, std::string> mirrored;
    std::ifstream file(File());
    std::string line;
    std::getline(file, line);  // The position.
    while (std::getline(file, line)) {
      Record record;
      EXPECT_TRUE(
          google::protobuf::util::JsonStringToMessage(line, &record).ok());
      mirrored[record.id()] = Json(record);
    }
    return mirrored;
  }
  // Struct's keys in one order.
  static std::string Json(const Record& record) {
    std::map<std::string, std::string> fields;
    for (const auto& [name, value] : record.fields().fields()) {
      fields[name] = value.ShortDebugString();
    }
    std::string text = absl::StrCat(record.version());
    for (const auto& [name, value] : fields) {
      absl::StrAppend(&text, " ", name, "=", value);
    }
    return text;
  }

  storage::v1::ListFollowersResponse Followers() {
    storage::v1::ListFollowersResponse response;
    EXPECT_TRUE(
        feed_->ListFollowers(Cluster::Context().get(), {}, &response).ok());
    return response;
  }

  // Until the mirror says that it has everything.
  void WaitUntilCurrent() {
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (absl::Now() < deadline) {
      const auto followers = Followers();
      if (followers.followers_size() == 1 &&
          followers.followers(0).lag() == 0) {
        return;
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    FAIL() << "the mirror stays behind";
  }

  engram::testing::TempDirectory directory_;
  const std::string address_;
  Process storage_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<storage::v1::RecordService::Stub> records_;
  std::unique_ptr<storage::v1::FeedService::Stub> feed_;
  std::optional<Process> mirror_;
};

TEST_F(CollectionMirrorTest, BecomesTheCollectionHoweverOftenItIsKilled) {
  RandomText random(7);
  for (int i = 0; i < 300; ++i) WriteOne(random);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    RandomText other(11);
    while (!stop) WriteOne(other);
  });
  for (int i = 0; i < kKills; ++i) {
    StartMirror();
    // At another moment of its life each time.
    absl::SleepFor(absl::Milliseconds(100 + 150 * i));
    mirror_->Kill();
  }
  StartMirror();
  for (int i = 0; i < 500; ++i) WriteOne(random);
  stop = true;
  writer.join();
  WaitUntilCurrent();
  EXPECT_EQ(Mirrored(), Stored());
  EXPECT_GT(Stored().size(), 50);
}

TEST_F(CollectionMirrorTest, GoesOnAfterItWasAway) {
  RandomText random(13);
  for (int i = 0; i < 50; ++i) WriteOne(random);
  StartMirror();
  WaitUntilCurrent();
  mirror_->Kill();
  for (int i = 0; i < 300; ++i) WriteOne(random);
  EXPECT_GT(Followers().followers(0).lag(), 100);
  EXPECT_NE(Mirrored(), Stored());
  StartMirror();
  WaitUntilCurrent();
  EXPECT_EQ(Mirrored(), Stored());
}

}  // namespace
}  // namespace engram::e2e
