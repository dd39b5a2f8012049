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
using ::testing::StartsWith;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
vectors:
  text: {source: [title], metric: dot, index: hnsw, precision: int4}
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
  EXPECT_EQ(field.index_kind(), common::v1::INDEX_KIND_HNSW);
  EXPECT_EQ(field.precision(), common::v1::PRECISION_INT4);
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

TEST_F(CatalogServiceTest, GenerationsAreListedSwitchedAndDropped) {
  ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  ASSERT_OK(storage_.ApplySchema({kNotes}));
  v1::ListGenerationsResponse listed;
  const auto list = [&](const std::string& collection,
                        const std::string& field) {
    v1::ListGenerationsRequest request;
    request.set_collection(collection);
    request.set_vector_field(field);
    grpc::ClientContext context;
    return FromGrpcStatus(
        storage_.catalog().ListGenerations(&context, request, &listed));
  };
  ASSERT_OK(list("", ""));
  ASSERT_EQ(listed.generations_size(), 1);
  EXPECT_EQ(listed.generations(0).collection(), "notes");
  EXPECT_EQ(listed.generations(0).vector_field(), "text");
  EXPECT_EQ(listed.generations(0).state(), v1::GenerationStatus::STATE_SERVING);
  EXPECT_TRUE(listed.generations(0).declared());
  EXPECT_EQ(listed.generations(0).generation().metric(),
            common::v1::METRIC_DOT);
  EXPECT_THAT(list("", "text"), StatusIs(absl::StatusCode::kInvalidArgument,
                                         "collection: is missing"));
  EXPECT_THAT(list("nothing", ""), StatusIs(absl::StatusCode::kNotFound, ""));
  EXPECT_THAT(list("notes", "image"),
              StatusIs(absl::StatusCode::kNotFound, "image"));

  v1::SwitchGenerationRequest change;
  change.set_collection("notes");
  v1::SwitchGenerationResponse changed;
  {
    grpc::ClientContext context;
    ASSERT_OK(FromGrpcStatus(
        storage_.catalog().SwitchGeneration(&context, change, &changed)));
  }
  EXPECT_EQ(changed.generation().id(), 1);
  EXPECT_EQ(changed.previous_generation(), 1);
  EXPECT_THAT(changed.position(), StartsWith("default@"));
  v1::DropGenerationRequest drop;
  drop.set_collection("notes");
  drop.set_generation(2);
  v1::DropGenerationResponse dropped;
  grpc::ClientContext context;
  const absl::Status unknown = FromGrpcStatus(
      storage_.catalog().DropGeneration(&context, drop, &dropped));
  EXPECT_THAT(unknown,
              StatusIs(absl::StatusCode::kNotFound, "no generation 2"));
  EXPECT_EQ(ReasonOf(unknown), common::v1::ERROR_REASON_GENERATION_UNKNOWN);
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

TEST_F(CatalogServiceTest, APlanIsReviewedThenApplied) {
  ASSERT_OK(storage_.ApplySchema({kPlain}));
  v1::PlanSchemaRequest request;
  request.mutable_target()->add_documents()->set_yaml(
      "{collection: plain, fields: {g: {type: int}}}");
  v1::PlanSchemaResponse plan;
  {
    grpc::ClientContext context;
    ASSERT_OK(FromGrpcStatus(
        storage_.catalog().PlanSchema(&context, request, &plan)));
  }
  ASSERT_EQ(plan.steps_size(), 2);
  EXPECT_EQ(plan.steps(0).summary(), "drop field \"f\"");
  EXPECT_TRUE(plan.steps(0).destructive());
  EXPECT_EQ(plan.steps(1).summary(), "add field \"g\" (int)");
  EXPECT_THAT(plan.steps(1).sql(),
              ElementsAre("ALTER TABLE \"plain\" ADD COLUMN \"g\" INTEGER"));
  EXPECT_TRUE(plan.destructive());
  EXPECT_TRUE(plan.backup());
  // Nothing has happened.
  ASSERT_OK_AND_ASSIGN(const v1::Collection before, Get("plain"));
  EXPECT_EQ(before.fields(0).name(), "f");

  const auto apply = [&](const std::string& hash, bool allow) {
    v1::ApplySchemaRequest apply;
    *apply.mutable_target() = request.target();
    apply.set_plan_hash(hash);
    apply.set_allow_destructive(allow);
    grpc::ClientContext context;
    v1::ApplySchemaResponse response;
    const absl::Status status = FromGrpcStatus(
        storage_.catalog().ApplySchema(&context, apply, &response));
    return status.ok() ? absl::StatusOr<v1::ApplySchemaResponse>(response)
                       : absl::StatusOr<v1::ApplySchemaResponse>(status);
  };
  EXPECT_THAT(apply("other", true), StatusIs(absl::StatusCode::kAborted));
  const absl::Status refused = apply(plan.plan_hash(), false).status();
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_DESTRUCTIVE_CHANGE);
  ASSERT_OK_AND_ASSIGN(const auto applied, apply(plan.plan_hash(), true));
  EXPECT_EQ(applied.version(), 2);
  EXPECT_EQ(applied.steps_size(), 2);
  EXPECT_NE(applied.backup(), "");
  ASSERT_EQ(applied.collections_size(), 1);
  ASSERT_EQ(applied.collections(0).fields_size(), 1);
  EXPECT_EQ(applied.collections(0).fields(0).name(), "g");
  EXPECT_EQ(applied.collections(0).fields(0).type(), "int");
  EXPECT_EQ(applied.collections(0).fields(0).number(), 2);
}

TEST_F(CatalogServiceTest, MigrationsAreListedNewestFirst) {
  ASSERT_OK(storage_.ApplySchema({kPlain}));
  ASSERT_OK(
      storage_.ApplySchema({"{collection: other, fields: {f: {type: int}}}"}));
  storage_.Restart();
  v1::ListMigrationsRequest request;
  request.set_page_size(1);
  std::vector<v1::SchemaMigration> migrations;
  do {
    grpc::ClientContext context;
    v1::ListMigrationsResponse response;
    ASSERT_OK(FromGrpcStatus(
        storage_.catalog().ListMigrations(&context, request, &response)));
    ASSERT_EQ(response.migrations_size(), 1);
    migrations.push_back(response.migrations(0));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_EQ(migrations.size(), 2);
  EXPECT_EQ(migrations[0].version(), 2);
  EXPECT_EQ(migrations[0].steps(0).summary(), "create collection \"other\"");
  ASSERT_EQ(migrations[0].documents_size(), 2);
  EXPECT_EQ(migrations[0].documents(1).name(), "plain");
  EXPECT_EQ(migrations[0].documents(1).yaml(), kPlain);
  EXPECT_EQ(migrations[1].version(), 1);
  EXPECT_GT(migrations[1].apply_time().seconds(), 0);
}

TEST_F(CatalogServiceTest, DescriptorsHaveThePermanentNumbers) {
  ASSERT_OK(storage_.ApplySchema(
      {kPlain,
       "{collection: other, fields: {f: {type: int}, t: {type: timestamp}}}"}));
  const auto describe = [&](const std::vector<std::string>& collections) {
    v1::GetDescriptorsRequest request;
    for (const std::string& name : collections) request.add_collections(name);
    grpc::ClientContext context;
    v1::GetDescriptorsResponse response;
    const absl::Status status = FromGrpcStatus(
        storage_.catalog().GetDescriptors(&context, request, &response));
    return status.ok() ? absl::StatusOr<v1::GetDescriptorsResponse>(response)
                       : absl::StatusOr<v1::GetDescriptorsResponse>(status);
  };
  ASSERT_OK_AND_ASSIGN(const auto all, describe({}));
  EXPECT_EQ(all.messages_size(), 2);
  // The third is google.protobuf.Timestamp's.
  EXPECT_EQ(all.files().file_size(), 3);
  ASSERT_OK_AND_ASSIGN(const auto one, describe({"plain"}));
  ASSERT_EQ(one.files().file_size(), 1);
  const auto& message = one.files().file(0).message_type(0);
  ASSERT_EQ(message.field_size(), 1);
  EXPECT_EQ(message.field(0).name(), "f");
  EXPECT_EQ(message.field(0).number(), 1);
  EXPECT_EQ(one.sources().count(one.files().file(0).name()), 1);
  EXPECT_THAT(describe({"nowhere"}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CatalogServiceTest, AllDocumentsAreAppliedOrNone) {
  ASSERT_OK(storage_.ApplySchema({kPlain}));
  EXPECT_THAT(
      storage_.ApplySchema({"{collection: fresh, fields: {f: {type: int}}}",
                            "{collection: plain, fields: {g: {type: int}}}"}),
      StatusIs(absl::StatusCode::kFailedPrecondition, "drop field \"f\""));
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
