#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::StartsWith;

class WriteBecomesSearchableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    cluster_.ApplySchema(kNotesSchema);
  }

  // Returns the ids that a query for `text` finds once `min_position` can be.
  std::vector<std::string> Find(const std::string& text,
                                const std::string& min_position) {
    search::v1::QueryRequest request;
    request.set_collection("notes");
    request.set_text(text);
    request.set_min_position(min_position);
    search::v1::QueryResponse response;
    const grpc::Status status =
        cluster_.search().Query(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }

  Cluster cluster_;
};

TEST_F(WriteBecomesSearchableTest, EveryWriteIsFoundByTheNextQuery) {
  RandomText text(1);
  for (int i = 0; i < 1000; ++i) {
    const std::string id = absl::StrCat("n-", i);
    const std::string written = text(12);
    const std::string position = cluster_.Write("notes", id, written);
    ASSERT_THAT(Find(written, position), Contains(id)) << "write " << i;
  }
}

TEST_F(WriteBecomesSearchableTest, RewrittenTextIsFoundAndDeletedRecordIsNot) {
  cluster_.Write("notes", "a", "a violin in the orchestra");
  cluster_.Write("notes", "b", "the harbour at low tide");
  std::string position =
      cluster_.Write("notes", "a", "invoices and quarterly tax returns");
  EXPECT_EQ(Find("accounting and taxes", position).front(), "a");

  storage::v1::WriteRequest request;
  auto* item = request.add_items();
  item->set_collection("notes");
  item->mutable_delete_()->set_id("a");
  storage::v1::WriteResponse response;
  ASSERT_TRUE(cluster_.records()
                  .Write(Cluster::Context().get(), request, &response)
                  .ok());
  EXPECT_THAT(Find("accounting and taxes", response.position()),
              Not(Contains("a")));
}

TEST_F(WriteBecomesSearchableTest, APassageOfALongTextIsFound) {
  cluster_.ApplySchema(R"yaml(
collection: manuals
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text], chunking: {by: paragraphs, size: 64}}
)yaml");
  const std::string violins =
      "The violins sit at the left of the orchestra, the cellos and the double "
      "basses at the right.";
  const std::string taxes =
      "Keep every invoice for the tax office: it may ask for the accounts of "
      "the last ten years.";
  const std::string harbour =
      "At low tide the harbour falls dry, and the fishing boats lie on their "
      "sides in the mud.";
  // Returns the passage that is nearest.
  const auto find = [&](const std::string& question, const std::string& text,
                        const std::string& position) {
    search::v1::QueryRequest request;
    request.set_collection("manuals");
    request.set_text(question);
    request.set_min_position(position);
    request.mutable_include()->set_passage_text(true);
    search::v1::QueryResponse response;
    const grpc::Status status =
        cluster_.search().Query(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (response.hits_size() != 1) return std::string("no hit");
    const auto& passage = response.hits(0).passage();
    EXPECT_EQ(response.hits(0).passage_text(),
              text.substr(passage.begin(), passage.end() - passage.begin()));
    return response.hits(0).passage_text();
  };

  std::string text = absl::StrCat(violins, "\n\n", taxes, "\n\n", harbour);
  std::string position = cluster_.Write("manuals", "m", text);
  EXPECT_EQ(find("string instruments", text, position), violins);
  EXPECT_EQ(find("accounting", text, position), taxes);
  EXPECT_EQ(find("ships at sea", text, position), harbour);

  const std::string bees =
      "The bees gather nectar from the clover, and the honey is taken from the "
      "hives in the summer.";
  text = absl::StrCat(bees, "\n\n", violins, "\n\n", harbour);
  position = cluster_.Write("manuals", "m", text);
  EXPECT_EQ(find("string instruments", text, position), violins);
  EXPECT_EQ(find("insects", text, position), bees);
  EXPECT_EQ(find("ships at sea", text, position), harbour);
  EXPECT_EQ(cluster_.Verify("manuals").difference_count(), 0);
}

TEST_F(WriteBecomesSearchableTest, TextWithoutAWordIsTheQuerysMistake) {
  cluster_.WaitForCoverage("notes");  // Until search knows the collection.
  search::v1::QueryRequest request;
  request.set_collection("notes");
  request.set_text(" \t ");
  search::v1::QueryResponse response;
  const grpc::Status status =
      cluster_.search().Query(Cluster::Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), StartsWith("text: holds no word"));
}

TEST_F(WriteBecomesSearchableTest, StopIsCleanAndARestartForgetsNothing) {
  const std::string position =
      cluster_.Write("notes", "a", "a violin in the orchestra");
  EXPECT_THAT(Find("string instruments", position), Contains("a"));
  cluster_.Stop();
  cluster_.Start();
  EXPECT_THAT(Find("string instruments", position), Contains("a"));
  EXPECT_EQ(cluster_.Verify("notes").difference_count(), 0);
}

}  // namespace
}  // namespace engram::e2e
