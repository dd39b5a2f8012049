// An apply that uses every kind of step, and what may go wrong in its middle.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "libs/sqlite/testing/fault_vfs.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/schema_applier_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::HasSubstr;
using testing::SchemaApplierTest;
using ::testing::SizeIs;

// Uses every kind of step.
const std::vector<std::string> kOld = {
    R"(
collection: parents
fields: {name: {type: string}, n: {type: int}, total: {type: int}}
)",
    R"(
collection: notes
fields:
  title: {type: string, index: true}
  size: {type: string}
  gone: {type: int}
  parent: {type: string}
  tags: {type: strings}
  meta: {type: json}
  price: {type: int}
vectors: {text: {source: [title]}}
history: true
)",
    "{collection: dropped, fields: {a: {type: int, index: true}}}",
    "{collection: numbered, fields: {a: {type: int}}}",
    R"(
collection: altered
fields: {a: {type: int}, b: {type: int}, c: {type: int, generated: a + b}}
soft_delete: true
)"};
const std::vector<std::string> kNew = {
    R"(
collection: elders
renamed_from: parents
fields: {name: {type: string}, n: {type: int}, total: {type: int}}
)",
    R"(
collection: pages
renamed_from: notes
fields:
  headline: {type: string, index: true, unique: true, renamed_from: title}
  size: {type: int, min: 0}
  parent: {type: ref(elders)}
  tags: {type: strings, index: true}
  meta: {type: json}
  author: {type: string, extract: meta.author}
  price: {type: int, required: true, default: 7}
  twice: {type: int, generated: price * 2}
vectors: {text: {source: [headline], metric: dot}}
full_text: [headline]
checks: ['price > 0']
expire: {after: 90d}
soft_delete: true
rollups: {parent: parent, set: {n: count, total: sum(price)}}
)",
    "{collection: numbered, id: sequence, fields: {a: {type: int}}}",
    R"(
collection: altered
fields: {a: {type: int}, b: {type: int}, c: {type: int, generated: a - b}}
)",
    "{collection: fresh, fields: {p: {type: ref(pages)}}}"};

class EveryStepTest : public SchemaApplierTest {
 protected:
  void SetUp() override {
    ASSERT_OK(Apply(kOld));
    Put("parents", "p", R"({"name": "P"})");
    Put("notes", "a", R"({"title": "A", "size": "1", "parent": "p",
        "tags": ["x"], "meta": {"author": "Ann"}, "price": 5})");
    Put("notes", "a", R"({"price": 6})");
    Put("notes", "b", R"({"title": "B", "parent": "p"})");
    Put("dropped", "d", R"({"a": 1})");
    Put("numbered", "3", R"({"a": 1})");
    Put("altered", "x", R"({"a": 1, "b": 2})");
  }
};

TEST_F(EveryStepTest, AFailureAtAnyStepLeavesTheOldState) {
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan(kNew, {.prune = true}));
  std::set<SchemaStep::Kind> kinds;
  for (const SchemaStep& step : plan.steps) kinds.insert(step.kind);
  EXPECT_THAT(kinds, SizeIs(10)) << "a kind of step has no part in this test";
  const std::string before = DumpFile();
  // Also after the last step, and after the validation.
  const int points = static_cast<int>(plan.steps.size()) + 2;
  for (int failing = 0; failing < points; ++failing) {
    const absl::Status status =
        Apply(kNew, {.prune = true,
                     .before_step =
                         [&](int step) {
                           return step == failing ? absl::AbortedError("here")
                                                  : absl::OkStatus();
                         }})
            .status();
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kAborted, "here"));
    ASSERT_EQ(DumpFile(), before) << failing;
  }
  // Everything works as before, refs included.
  EXPECT_EQ(db_.database().catalog().schema_version(), 1);
  EXPECT_EQ(Fields("altered", "x"), R"({"a":1,"b":2,"c":3})");
  Put("notes", "e", R"({"title": "E"})");
  ASSERT_OK(db_.WriteOne(R"({"collection": "notes", "delete": {"id": "e"}})"));
  // And so does the apply.
  ASSERT_OK(Apply(kNew, {.prune = true}));
  EXPECT_EQ(Fields("pages", "a"),
            R"({"author":"Ann","headline":"A","meta":{"author":"Ann"},)"
            R"("parent":"p","price":6,"size":1,"tags":["x"],"twice":12})");
  EXPECT_EQ(Fields("pages", "b"),
            R"({"headline":"B","parent":"p","price":7,"twice":14})");
  EXPECT_EQ(Fields("elders", "p"), R"({"n":2,"name":"P","total":13})");
  EXPECT_EQ(Fields("altered", "x"), R"({"a":1,"b":2,"c":-1})");
  EXPECT_THAT(Fields("dropped", "d"), HasSubstr("has no collection"));
  // Back again: what was dropped is gone, the rest is there.
  ASSERT_OK(Apply({}, {.version = 1}));
  EXPECT_EQ(Fields("notes", "a"),
            R"({"meta":{"author":"Ann"},"parent":"p","price":6,"size":"1",)"
            R"("tags":["x"],"title":"A"})");
}

TEST_F(EveryStepTest, ReadsGoOnAndSeeOneSchema) {
  // Begun before: sees the old state to its end.
  ASSERT_OK_AND_ASSIGN(ReadView early, db_.database().BeginRead());
  std::string seen;
  ASSERT_OK(Apply(kNew, {.prune = true, .before_step = [&](int) {
                           seen = Fields("altered", "x");
                           return absl::OkStatus();
                         }}));
  EXPECT_EQ(seen, R"({"a":1,"b":2,"c":3})");
  ASSERT_OK_AND_ASSIGN(const CollectionPtr notes, early.Get("notes"));
  EXPECT_EQ(notes->schema_version, 1);
  ASSERT_OK_AND_ASSIGN(auto select,
                       early.connection().Prepare(notes->select_by_id));
  select.BindText(1, "a");
  EXPECT_OK(select.Step());
  EXPECT_THAT(early.Get("pages").status(),
              StatusIs(absl::StatusCode::kNotFound, "pages"));
}

struct Disk {
  engram::testing::FaultVfs disk_;
};

// The disk is there before the database and outlives it.
class FullDiskTest : public Disk, public EveryStepTest {};

TEST_F(FullDiskTest, AFullDiskAtAnyPointLeavesTheOldState) {
  const std::string before = DumpFile();
  int refused = 0;
  for (int64_t room = 0;; room += 24 << 10) {
    disk_.LimitRoom(room);
    const absl::Status status = Apply(kNew, {.prune = true}).status();
    disk_.Heal();
    if (status.ok()) break;
    ++refused;
    ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
    ASSERT_EQ(DumpFile(), before) << room;
    // Writes go on.
    EXPECT_OK(db_.Run([](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          "UPDATE _meta SET value = value WHERE name = 'epoch'");
    }));
  }
  // In the backup, and in the transaction.
  EXPECT_GT(refused, 10);
  EXPECT_EQ(Fields("elders", "p"), R"({"n":2,"name":"P","total":13})");
}

}  // namespace
}  // namespace engram::storage
