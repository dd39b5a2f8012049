// One of the systems that Engram carries, on a storage service of its own.

#ifndef ENGRAM_TESTS_SYSTEMS_SYSTEM_H_
#define ENGRAM_TESTS_SYSTEMS_SYSTEM_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/struct.pb.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/schema/collection_spec.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::systems {

namespace v1 = storage::v1;

// The fingerprint of the model that every vector field uses.
inline constexpr char kFingerprint[] = "test/model@1";

// A record as rows/<system>.json has it.
struct Row {
  std::string id;
  google::protobuf::Struct fields;
  // Changes of `fields`, each of which breaks the collection's check at the
  // same place; null leaves a field out.
  std::vector<google::protobuf::Struct> broken_checks;
};

class System {
 public:
  // `name` is a folder of deploy/schemas. Aborts if what it needs cannot be
  // read. Storage is empty until Apply.
  explicit System(const std::string& name);

  testing::FakeClock& clock() { return clock_; }
  storage::testing::TestStorage& storage() { return storage_; }
  // By name.
  const std::map<std::string, schema::CollectionSpec>& collections() const {
    return collections_;
  }
  // By collection. The first row of each has a value in every field that can be
  // sent, and all rows together name only records among them.
  const std::map<std::string, std::vector<Row>>& rows() const { return rows_; }
  // Fields that roll-ups of other collections keep.
  bool IsRolledUp(const std::string& collection,
                  const std::string& field) const;

  // Makes all collections, as one unit.
  absl::StatusOr<v1::ApplySchemaResponse> Apply();
  // Creates all rows in one write.
  absl::Status WriteRows();

  // One item each; an empty id leaves it to storage.
  absl::StatusOr<v1::WriteResult> Create(
      const std::string& collection, const std::string& id,
      const google::protobuf::Struct& fields);
  absl::StatusOr<v1::WriteResult> Create(const std::string& collection,
                                         const std::string& id,
                                         const std::string& json);
  absl::StatusOr<v1::WriteResult> Upsert(const std::string& collection,
                                         const std::string& id,
                                         const std::string& json);
  absl::StatusOr<v1::WriteResult> Replace(const std::string& collection,
                                          const std::string& id,
                                          const std::string& json);
  absl::StatusOr<v1::WriteResult> Update(
      const std::string& collection, const std::string& id,
      const google::protobuf::Struct& fields);
  absl::StatusOr<v1::WriteResult> Update(const std::string& collection,
                                         const std::string& id,
                                         const std::string& json);
  absl::StatusOr<v1::WriteResult> Delete(const std::string& collection,
                                         const std::string& id);
  absl::StatusOr<v1::WriteResult> Write(const v1::WriteItem& item);

  absl::StatusOr<v1::DeleteWhereResponse> DeleteWhere(
      const v1::DeleteWhereRequest& request);
  absl::StatusOr<v1::DeleteWhereResponse> DeleteWhere(
      const std::string& collection, const std::string& filter);
  absl::StatusOr<v1::UpdateWhereResponse> UpdateWhere(
      const v1::UpdateWhereRequest& request);

  // `NotFound` if there is no such record.
  absl::StatusOr<v1::Record> Get(const std::string& collection,
                                 const std::string& id);
  // The field as JSON, read by List, which touches nothing; a missing one is
  // `null`, and so is one of a record that is missing, after a failure is
  // noted.
  std::string Field(const std::string& collection, const std::string& id,
                    const std::string& field);
  // The same as a number.
  double Number(const std::string& collection, const std::string& id,
                const std::string& field);
  // All records, oldest first.
  std::vector<v1::Record> List(const std::string& collection);
  // Their ids.
  std::vector<std::string> Ids(const std::string& collection);
  bool Exists(const std::string& collection, const std::string& id);

 private:
  testing::FakeClock clock_;
  storage::testing::TestStorage storage_;
  std::vector<std::string> documents_;
  std::map<std::string, schema::CollectionSpec> collections_;
  std::map<std::string, std::vector<Row>> rows_;
};

// An item of a Write call, for what the verbs of System do not say.
v1::WriteItem UpdateItem(const std::string& collection, const std::string& id,
                         const std::string& json);

// The paths of the violations that `status` reports.
std::vector<std::string> ViolatedPaths(const absl::Status& status);

// The path of the field that the details of `status` name.
std::string FieldAtFault(const absl::Status& status);

}  // namespace engram::systems

#endif  // ENGRAM_TESTS_SYSTEMS_SYSTEM_H_
