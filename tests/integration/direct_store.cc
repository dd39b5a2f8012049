#include "tests/integration/direct_store.h"

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/memory/memory.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_where.h"
#include "services/storage/record_writer.h"
#include "services/storage/schema_applier.h"
#include "services/storage/sweeper.h"

namespace engram::storage::testing {
namespace {

// Waits for a status that comes by a callback.
class Outcome {
 public:
  absl::AnyInvocable<void(absl::Status)> Callback() {
    return [this](absl::Status status) {
      status_ = std::move(status);
      come_.Notify();
    };
  }
  absl::Status Wait() {
    come_.WaitForNotification();
    return status_;
  }

 private:
  absl::Notification come_;
  absl::Status status_;
};

// Long work may have the calling thread.
WhereCall RunHere() {
  return {.run = [](absl::AnyInvocable<void()> work) {
    work();
    return absl::OkStatus();
  }};
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirectStore>> DirectStore::Open(
    const std::string& path, const Clock& clock, Database::Options options) {
  auto store = absl::WrapUnique(new DirectStore());
  ASSIGN_OR_RETURN(
      store->database_,
      Database::Open("default", path, /*created_us=*/0, std::move(options),
                     &clock, &store->metrics_, [](bool) {}));
  return store;
}

absl::Status DirectStore::ApplySchema(const std::vector<std::string>& documents,
                                      bool prune) {
  v1::SchemaTarget target;
  target.set_prune(prune);
  for (const std::string& document : documents) {
    target.add_documents()->set_yaml(document);
  }
  ASSIGN_OR_RETURN(SchemaRequest request, DecodeSchema(target, {}));
  request.allow_destructive = true;
  common::v1::Model& model = request.models.emplace_back();
  model.set_name("letters");
  model.set_fingerprint("letters-1");
  model.set_dimensions(2);
  model.set_is_default(true);
  Outcome outcome;
  storage::ApplySchema(*database_, std::move(request), absl::InfiniteFuture(),
                       [callback = outcome.Callback()](
                           absl::StatusOr<AppliedSchema> applied) mutable {
                         callback(applied.status());
                       });
  return outcome.Wait();
}

absl::StatusOr<v1::WriteResponse> DirectStore::Write(
    const v1::WriteRequest& request) {
  ASSIGN_OR_RETURN(
      RecordBatch batch,
      DecodeBatch(database_->name(), database_->catalog(), request));
  v1::WriteResponse response;
  Outcome outcome;
  database_->Submit({.run =
                         [&](WriteTransaction& transaction) {
                           return WriteRequest(transaction, *database_, request,
                                               batch, &response);
                         },
                     .done = outcome.Callback(),
                     .rows = static_cast<size_t>(request.items_size()),
                     .bytes = request.ByteSizeLong()});
  RETURN_IF_ERROR(outcome.Wait());
  return response;
}

absl::StatusOr<v1::UpdateWhereResponse> DirectStore::UpdateWhere(
    const v1::UpdateWhereRequest& request) {
  v1::UpdateWhereResponse response;
  Outcome outcome;
  storage::UpdateWhere(*database_, request, &response, RunHere(),
                       outcome.Callback());
  RETURN_IF_ERROR(outcome.Wait());
  return response;
}

absl::StatusOr<v1::DeleteWhereResponse> DirectStore::DeleteWhere(
    const v1::DeleteWhereRequest& request) {
  v1::DeleteWhereResponse response;
  Outcome outcome;
  storage::DeleteWhere(*database_, request, &response, RunHere(),
                       outcome.Callback());
  RETURN_IF_ERROR(outcome.Wait());
  return response;
}

absl::Status DirectStore::Sweep() {
  absl::Notification done;
  absl::Status status;
  storage::Sweep::Start(*database_, {}, absl::InfiniteFuture(),
                        [&](const absl::Status& outcome, const SweepResult&) {
                          status = outcome;
                          done.Notify();
                        });
  done.WaitForNotification();
  return status;
}

}  // namespace engram::storage::testing
