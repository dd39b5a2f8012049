#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_CHANGE_FIXTURE_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_CHANGE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/lease_keeper.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/outbox_worker.h"
#include "services/embedding/storage_client.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::embedding::testing {

// The collection `notes` of the real storage, and two models for it: fake/small
// of 8 dimensions, the default, and fake/other of 16.
class ModelChangeFixture : public ::testing::Test {
 protected:
  ModelChangeFixture() {
    std::vector<std::unique_ptr<Provider>> providers;
    for (FakeProvider** const provider : {&small_, &other_}) {
      auto made = provider == &small_
                      ? std::make_unique<FakeProvider>("fake/small", 8)
                      : std::make_unique<FakeProvider>("fake/other", 16);
      *provider = made.get();
      providers.push_back(std::move(made));
    }
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/small");
    registrar_ = std::make_unique<ModelRegistrar>(*catalog_, client_);
    EXPECT_OK(registrar_->EnsureRegistered());
  }

  // Declares notes; `vectors` follows the vector field's source.
  void ApplyNotes(const std::string& vectors) {
    ASSERT_OK(storage_.ApplySchema({absl::StrCat(
        "collection: notes\nfields: {title: {type: string}, content: {type: "
        "text}, stars: {type: int}}\nvectors: {text: {source: [content], ",
        vectors, "}}")}));
  }

  // Writes notes 0 to `count` - 1, with `content(i)`; empty is none.
  template <typename Content>
  void WriteNotes(int count, Content content) {
    storage::v1::WriteRequest request;
    for (int i = 0; i < count; ++i) {
      storage::v1::WriteItem& item = *request.add_items();
      item.set_collection("notes");
      item.mutable_upsert()->set_id(absl::StrCat("note-", i));
      const std::string text = content(i);
      auto& fields = *item.mutable_upsert()->mutable_fields()->mutable_fields();
      if (!text.empty()) fields["content"].set_string_value(text);
    }
    ASSERT_OK(storage_.Write(request));
  }

  // Has `provider` embed what waits for it.
  void EmbedAll(FakeProvider& provider) {
    OutboxWorker worker(provider, client_, *registrar_, keeper_,
                        {.holder = "test", .wait = absl::ZeroDuration()},
                        registry_);
    for (int calls = -1; calls != provider.calls();) {
      calls = provider.calls();
      storage_.RunOnce();
      EXPECT_OK(worker.RunOnce());
    }
  }

  prometheus::Registry registry_;
  storage::testing::TestStorage storage_;
  FakeProvider* small_;
  FakeProvider* other_;
  std::unique_ptr<ModelCatalog> catalog_;
  StorageClient client_{storage_.channel()};
  LeaseKeeper keeper_{client_, absl::Minutes(1)};
  std::unique_ptr<ModelRegistrar> registrar_;
};

// Every call is waited for.
inline absl::Status Always() { return absl::OkStatus(); }

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_CHANGE_FIXTURE_H_
