#ifndef ENGRAM_SERVICES_STORAGE_TESTING_SCHEMA_APPLIER_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_SCHEMA_APPLIER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/sqlite/connection.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/collection_table.h"
#include "services/storage/schema_applier.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage::testing {

struct ApplyOptions {
  bool prune = false;
  bool allow_destructive = true;
  std::string plan_hash;
  int64_t version = 0;
  std::function<absl::Status(int)> before_step;
};

// The whole content of a file, as text.
inline std::string Dump(sqlite::Connection& connection) {
  auto schema = connection.Prepare(
      "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY name");
  EXPECT_OK(schema);
  std::string dump;
  std::vector<std::string> tables;
  while (*schema->Step()) {
    absl::StrAppend(&dump, schema->Text(0), " ", schema->Text(1), " ",
                    schema->Text(2), "\n");
    if (schema->Text(0) == "table") {
      tables.push_back(std::string(schema->Text(1)));
    }
  }
  for (const std::string& table : tables) {
    auto rows = connection.Prepare(
        absl::StrCat("SELECT * FROM ", QuoteIdentifier(table)));
    EXPECT_OK(rows);
    while (*rows->Step()) {
      absl::StrAppend(&dump, table);
      for (int i = 0; i < rows->column_count(); ++i) {
        absl::StrAppend(&dump, " ", rows->ColumnType(i), ":",
                        absl::CHexEscape(rows->Blob(i)));
      }
      absl::StrAppend(&dump, "\n");
    }
  }
  return dump;
}

// Plans and applies schemas on a real file.
class SchemaApplierTest : public ::testing::Test {
 protected:
  absl::StatusOr<SchemaRequest> Request(
      const std::vector<std::string>& documents, const ApplyOptions& options) {
    v1::SchemaTarget target;
    for (const std::string& document : documents) {
      target.add_documents()->set_yaml(document);
    }
    target.set_prune(options.prune);
    target.set_version(options.version);
    auto request = DecodeSchema(target, {});
    if (!request.ok()) return request;
    common::v1::Model& model = request->models.emplace_back();
    model.set_name("test");
    model.set_fingerprint("test");
    model.set_dimensions(2);
    model.set_is_default(true);
    request->plan_hash = options.plan_hash;
    request->allow_destructive = options.allow_destructive;
    request->before_step = options.before_step;
    return request;
  }

  absl::StatusOr<AppliedSchema> Apply(const std::vector<std::string>& documents,
                                      const ApplyOptions& options = {}) {
    auto request = Request(documents, options);
    if (!request.ok()) return request.status();
    absl::StatusOr<AppliedSchema> result;
    absl::Notification done;
    ApplySchema(db_.database(), *std::move(request), absl::InfiniteFuture(),
                [&](absl::StatusOr<AppliedSchema> applied) {
                  result = std::move(applied);
                  done.Notify();
                });
    done.WaitForNotification();
    return result;
  }

  absl::StatusOr<SchemaPlan> Plan(const std::vector<std::string>& documents,
                                  const ApplyOptions& options = {}) {
    auto request = Request(documents, options);
    if (!request.ok()) return request.status();
    return PlanOf(db_.database(), *request);
  }

  void Put(const std::string& collection, const std::string& id,
           const std::string& fields) {
    EXPECT_OK(db_.WriteOne(absl::StrCat(R"({"collection": ")", collection,
                                        R"(", "upsert": {"id": ")", id,
                                        R"(", "fields": )", fields, "}}")));
  }

  std::string Fields(const std::string& collection, const std::string& id) {
    const auto fields = db_.Fields(collection, id);
    return fields.ok() ? *fields : fields.status().ToString();
  }

  std::string DumpFile() {
    auto reader = db_.database().AcquireReader();
    EXPECT_OK(reader);
    return Dump(**reader);
  }

  std::vector<std::string> Backups() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             db_.database().backup_directory(), error)) {
      names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TestDatabase db_;
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_SCHEMA_APPLIER_FIXTURE_H_
