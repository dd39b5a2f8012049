#include "services/embedding/model_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::FakeProvider;

std::vector<std::unique_ptr<Provider>> Providers(
    const std::vector<std::string>& names) {
  std::vector<std::unique_ptr<Provider>> providers;
  for (const auto& name : names) {
    providers.push_back(std::make_unique<FakeProvider>(name));
  }
  return providers;
}

TEST(ModelCatalogTest, FindsModelsByNameAndFingerprint) {
  ASSERT_OK_AND_ASSIGN(
      const auto catalog,
      ModelCatalog::Create(Providers({"fake/b", "fake/a"}), "fake/b"));

  EXPECT_EQ((*catalog->Find("fake/a"))->model().name, "fake/a");
  EXPECT_EQ((*catalog->Find(""))->model().name, "fake/b");
  EXPECT_EQ(catalog->FindByFingerprint("fake/a@1")->model().name, "fake/a");
  EXPECT_EQ(catalog->FindByFingerprint("fake/a@2"), nullptr);
  EXPECT_EQ(catalog->providers()[0]->model().name, "fake/a");
}

TEST(ModelCatalogTest, UnknownModelListsThoseThereAre) {
  ASSERT_OK_AND_ASSIGN(
      const auto catalog,
      ModelCatalog::Create(Providers({"fake/b", "fake/a"}), "fake/b"));

  const absl::Status status = catalog->Find("fake/c").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "fake/a, fake/b"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_MODEL_UNKNOWN);
}

TEST(ModelCatalogTest, RefusesMissingDefaultsAndNamesakes) {
  EXPECT_THAT(ModelCatalog::Create(Providers({"fake/a"}), "fake/b"),
              StatusIs(absl::StatusCode::kInvalidArgument, "fake/b"));
  EXPECT_THAT(ModelCatalog::Create(Providers({}), "fake/b"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ModelCatalog::Create(Providers({"fake/a", "fake/a"}), "fake/a"),
              StatusIs(absl::StatusCode::kInvalidArgument, "fake/a"));
}

}  // namespace
}  // namespace engram::embedding
