#ifndef ENGRAM_SERVICES_STORAGE_TESTING_DATABASE_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_DATABASE_FIXTURE_H_

#include <prometheus/registry.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/common/v1/model.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/storage/database.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/sweeper.h"

namespace engram::storage::testing {

// A real database on a folder of its own, without servers, and a clock that
// stands still. Requests and records are given and shown as JSON.
class TestDatabase {
 public:
  // `file_sql` makes the file that is opened, as an older version left it;
  // empty begins with a new one.
  explicit TestDatabase(Database::Options options = {},
                        const std::string& file_sql = "");

  // Applies a schema. Its vector fields may name the model `test`, which is the
  // default and has 2 dimensions.
  absl::Status Apply(const std::vector<std::string>& documents);

  // Writes; `items` are a JSON list of WriteItems, `options` other fields of
  // the request, such as `"atomic": false`.
  absl::StatusOr<v1::WriteResponse> Write(const std::string& items,
                                          const std::string& options = "");
  // One item, without the list.
  absl::StatusOr<v1::WriteResult> WriteOne(const std::string& item);

  // The record's fields as JSON; `NotFound` if nobody sees it.
  absl::StatusOr<std::string> Fields(const std::string& collection,
                                     const std::string& id);
  absl::StatusOr<v1::Record> Get(const std::string& collection,
                                 const std::string& id);

  // Runs work on the writer's thread, in a transaction.
  absl::Status Run(absl::AnyInvocable<absl::Status(WriteTransaction&)> work);
  absl::StatusOr<SweepResult> SweepAll();

  // The first column of the first row.
  int64_t QueryInt(const std::string& sql);
  std::string QueryText(const std::string& sql);
  // The kinds and ids of the changes after `sequence`, such as `changed a`.
  std::vector<std::string> ChangesAfter(int64_t sequence);
  int64_t newest_sequence() { return database_->NewestPosition().sequence; }

  // Transactions committed so far.
  int64_t commits() const {
    return static_cast<int64_t>(metrics_.commits.Value());
  }

  engram::testing::FakeClock& clock() { return clock_; }
  Database& database() { return *database_; }

  // Closes the file and opens it again.
  void Reopen();

 private:
  void Open();

  const Database::Options options_;
  engram::testing::FakeClock clock_;
  engram::testing::TempDirectory directory_;
  prometheus::Registry registry_;
  StorageMetrics metrics_{registry_};
  std::unique_ptr<Database> database_;
};

// Reads a request of items; see TestDatabase::Write.
v1::WriteRequest RequestOf(const std::string& items,
                           const std::string& options = "");

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_DATABASE_FIXTURE_H_
