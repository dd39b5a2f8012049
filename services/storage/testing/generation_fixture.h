#ifndef ENGRAM_SERVICES_STORAGE_TESTING_GENERATION_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_GENERATION_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/common/v1/model.pb.h"
#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/feed.pb.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage::testing {

// A real database without servers, whose clock stands still, and what an
// indexer and an operator do while the model of its vectors changes. It begins
// with the collection `notes`, whose `text` is embedded by `test/two`, of 2
// dimensions and the fingerprint `two-v1`: generation 1. Verbs that return no
// status fail the test if they fail.
class GenerationTest : public ::testing::Test {
 protected:
  GenerationTest();

  // Makes a model known, in place of what had its name.
  void Register(const std::string& name, const std::string& fingerprint,
                int dimensions);
  // Applies a document; allowed to destroy data.
  void ApplyDocument(const std::string& document);
  // The same with vectors of `notes` declared with these attributes.
  void Declare(const std::string& attributes);
  // Declares that `notes` is embedded by `test/three`, of 3 dimensions and the
  // fingerprint `three-v1`; or by what it was embedded first.
  void ChangeModel(const std::string& attributes = "");
  void ChangeModelBack() { Declare("model: test/two"); }
  void DropAll();

  void Put(const std::string& id, const std::string& fields_json);
  void Write(const std::string& id, const std::string& text);
  void Delete(const std::string& id);

  // Moves the clock, and does what is due then.
  void Advance(absl::Duration duration);

  // Leases all that waits for a fingerprint, what was just written first.
  std::vector<v1::OutboxEntry> Lease(const std::string& fingerprint);
  static std::vector<std::string> IdsOf(
      const std::vector<v1::OutboxEntry>& entries);
  void Answer(const std::vector<v1::OutboxEntry>& entries);
  void Refuse(const v1::OutboxEntry& entry);
  // Embeds all that waits; returns how often each record was.
  std::map<std::string, int> EmbedAll(const std::string& fingerprint);

  std::vector<v1::GenerationStatus> Generations();
  // Id, state and records without vectors, such as `2 FILLING 3`.
  std::vector<std::string> States();
  absl::StatusOr<v1::SwitchGenerationResponse> Switch(int64_t generation);
  absl::Status Drop(int64_t generation);

  // Where a record's vectors stand in a generation, 0 being the one that
  // serves, and their dimensions, such as `EMBEDDED 2`.
  std::string VectorsOf(const std::string& id, int64_t generation = 0);
  v1::VectorFieldCoverage Coverage();
  v1::WatchChangesResponse Feed();

  bool HasTable(const std::string& name);

  TestDatabase db_;

 private:
  absl::Status Apply(const v1::SchemaTarget& target);

  std::map<std::string, common::v1::Model> models_;
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_GENERATION_FIXTURE_H_
