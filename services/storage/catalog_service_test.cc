#include "services/storage/catalog_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
vectors:
  text: {source: [title], metric: dot}
)";
constexpr char kPlain[] = "{collection: plain, fields: {f: {type: int}}}";

class CatalogServiceTest : public ::testing::Test {
 protected:
  absl::Status Register(const v1::RegisterModelsRequest& request) {
    grpc::ClientContext context;
    v1::RegisterModelsResponse response;
    return FromGrpcStatus(
        storage_.catalog().RegisterModels(&context, request, &response));
  }

  absl::StatusOr<v1::ListCollectionsResponse> List(
      int page_size = 0, const std::string& token = "") {
    v1::ListCollectionsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    grpc::ClientContext context;
    v1::ListCollectionsResponse response;
    const grpc::Status status =
        storage_.catalog().ListCollections(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  absl::StatusOr<v1::Collection> Get(const std::string& name) {
    v1::GetCollectionRequest request;
    request.set_collection(name);
    grpc::ClientContext context;
    v1::GetCollectionResponse response;
    const grpc::Status status =
        storage_.catalog().GetCollection(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.collection();
  }

  testing::TestStorage storage_;
};

TEST_F(CatalogServiceTest, ResolvesTheDefaultModelWhenApplied) {
  ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({kNotes}));
  EXPECT_THAT(applied.created(), ElementsAre("notes"));
  ASSERT_OK(storage_.RegisterModel("test/three", "three-v1", 3));
  storage_.Restart();
  ASSERT_OK_AND_ASSIGN(const v1::Collection collection, Get("notes"));
  ASSERT_EQ(collection.vector_fields_size(), 1);
  const v1::VectorField& field = collection.vector_fields(0);
  EXPECT_EQ(field.name(), "text");
  EXPECT_THAT(field.source(), ElementsAre("title"));
  EXPECT_EQ(field.metric(), common::v1::METRIC_DOT);
  EXPECT_EQ(field.generation().model(), "test/two");
  EXPECT_EQ(field.generation().fingerprint(), "two-v1");
  EXPECT_EQ(field.generation().dimensions(), 2);
  EXPECT_EQ(collection.schema(), kNotes);
}

TEST_F(CatalogServiceTest, ANewDefaultTakesThePlaceOfTheOld) {
  ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  ASSERT_OK(storage_.RegisterModel("test/three", "three-v1", 3));
  ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({kNotes}));
  EXPECT_EQ(applied.collections(0).vector_fields(0).generation().model(),
            "test/three");
}

TEST_F(CatalogServiceTest, AnUnregisteredModelIsRefusedWithTheOthersNames) {
  const absl::Status none = storage_.ApplySchema({kNotes}).status();
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kFailedPrecondition,
                             "no model \"default\" is registered"));
  EXPECT_EQ(ReasonOf(none), common::v1::ERROR_REASON_MODEL_UNKNOWN);
  ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  EXPECT_THAT(
      storage_.ApplySchema({R"(
collection: notes
fields: {title: {type: string}}
vectors: {text: {source: [title], model: test/four}}
)"}),
      StatusIs(absl::StatusCode::kFailedPrecondition, "registered: test/two"));
}

TEST_F(CatalogServiceTest, ApplyingTheSameAgainChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto first, storage_.ApplySchema({kPlain}));
  // Another text that declares the same.
  ASSERT_OK_AND_ASSIGN(
      const auto second,
      storage_.ApplySchema({"collection: plain\nfields:\n  f: {type: int}\n"}));
  EXPECT_THAT(second.created(), IsEmpty());
  EXPECT_EQ(second.collections(0).name(), "plain");
  EXPECT_EQ(second.position(), first.position());
}

TEST_F(CatalogServiceTest, AnotherSchemaForACollectionIsRefused) {
  ASSERT_OK(storage_.ApplySchema({kPlain}));
  const absl::Status status =
      storage_.ApplySchema({"{collection: plain, fields: {f: {type: string}}}"})
          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, "plain"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_SCHEMA_CHANGED);
}

TEST_F(CatalogServiceTest, AllDocumentsAreAppliedOrNone) {
  ASSERT_OK(storage_.ApplySchema({kPlain}));
  EXPECT_THAT(
      storage_.ApplySchema({"{collection: fresh, fields: {f: {type: int}}}",
                            "{collection: plain, fields: {g: {type: int}}}"}),
      StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Get("fresh"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(
      storage_.ApplySchema({"{collection: fresh, fields: {f: {type: int}}}"}));
}

TEST_F(CatalogServiceTest, ReportsTheMistakesOfEveryDocument) {
  v1::ApplySchemaRequest request;
  for (const char* name : {"a.yaml", "b.yaml"}) {
    request.add_documents()->set_name(name);
    request.mutable_documents(request.documents_size() - 1)
        ->set_yaml("collection: x\nfields:\n  f: {type: nothing}\n");
  }
  grpc::ClientContext context;
  v1::ApplySchemaResponse response;
  const absl::Status status = FromGrpcStatus(
      storage_.catalog().ApplySchema(&context, request, &response));
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "a.yaml:3:"));
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "b.yaml:3:"));
  EXPECT_THAT(storage_.ApplySchema({}),
              StatusIs(absl::StatusCode::kInvalidArgument, "documents"));
  EXPECT_THAT(storage_.ApplySchema({kPlain, kPlain}),
              StatusIs(absl::StatusCode::kInvalidArgument, "documents[1]"));
}

TEST_F(CatalogServiceTest, ListsByNamePageByPage) {
  ASSERT_OK(storage_.ApplySchema(
      {kPlain, "{collection: apple, fields: {f: {type: int}}}"}));
  ASSERT_OK_AND_ASSIGN(const auto first, List(1));
  EXPECT_EQ(first.collections(0).name(), "apple");
  ASSERT_OK_AND_ASSIGN(const auto second, List(1, first.next_page_token()));
  EXPECT_EQ(second.collections(0).name(), "plain");
  EXPECT_EQ(second.next_page_token(), "");
  EXPECT_THAT(List(0, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
}

TEST_F(CatalogServiceTest, RefusesModelsThatCannotBe) {
  v1::RegisterModelsRequest request;
  for (int i = 0; i < 2; ++i) {
    auto& model = *request.add_models();
    model.set_name("m");
    model.set_fingerprint("f");
    model.set_dimensions(4097 * i);
    model.set_is_default(true);
  }
  const absl::Status status = Register(request);
  for (const char* path : {"models[0].dimensions", "models[1].dimensions",
                           "models[1].name", "models[1].is_default"}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, path));
  }
}

}  // namespace
}  // namespace engram::storage
