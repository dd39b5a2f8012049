// What every collection of every system keeps to, read from the schemas: no
// rule is forgotten, as none is named here.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/systems/rule_breaker.h"
#include "tests/systems/system.h"

namespace engram::systems {
namespace {

using ::engram::testing::StatusIs;
using google::protobuf::Struct;
using google::protobuf::Value;
using google::protobuf::util::MessageDifferencer;
using google::protobuf::util::TimeUtil;
using schema::CollectionSpec;
using schema::FieldSpec;
using schema::FieldType;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SystemRulesTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_OK(system_.Apply());
    ASSERT_OK(system_.WriteRows());
  }

  const Row& FirstRow(const CollectionSpec& spec) {
    return system_.rows().at(spec.name).front();
  }

  // A new record's id.
  std::string FreshId() { return absl::StrCat(1000 + ++fresh_); }

  // The fields of the collection's first row, with another value in each of its
  // unique keys, so that they can be created beside all others.
  Struct FreshFields(const CollectionSpec& spec) {
    Struct fields = FirstRow(spec).fields;
    for (const std::vector<std::string>& key : Keys(spec)) {
      ChangeKey(spec, key, fields);
    }
    return fields;
  }

  // Creates such a record and returns its id.
  std::string CreateFresh(const CollectionSpec& spec) {
    const std::string id = FreshId();
    EXPECT_OK(system_.Create(spec.name, id, FreshFields(spec)));
    return id;
  }

  // The fields of each unique key.
  static std::vector<std::vector<std::string>> Keys(
      const CollectionSpec& spec) {
    std::vector<std::vector<std::string>> keys;
    for (const std::vector<int>& places : spec.UniqueKeys()) {
      std::vector<std::string>& key = keys.emplace_back();
      for (const int place : places) key.push_back(spec.fields[place].name);
    }
    return keys;
  }

  // Whether records without a value in the key are alike in it.
  static bool MissingIsValue(const CollectionSpec& spec,
                             const std::vector<std::string>& key) {
    std::vector<int> places;
    for (const std::string& field : key) {
      places.push_back(spec.FieldIndex(field));
    }
    return spec.MissingIn(places) == schema::Missing::kEqual;
  }

  // Whether roll-ups of other collections change its records.
  bool HasRollups(const CollectionSpec& spec) const {
    for (const FieldSpec& field : spec.fields) {
      if (system_.IsRolledUp(spec.name, field.name)) return true;
    }
    return false;
  }

  static bool HasDefault(const FieldSpec& field) {
    return field.default_now ||
           !std::holds_alternative<std::monostate>(field.default_value);
  }

  System system_{GetParam()};

 private:
  void ChangeKey(const CollectionSpec& spec,
                 const std::vector<std::string>& key, Struct& fields) {
    for (const std::string& name : key) {
      const FieldSpec& field = *spec.FindField(name);
      if (!field.one_of.empty() || field.type == FieldType::kRef) continue;
      if (HasDefault(field)) continue;
      // A pattern takes digits where it takes the end of a name, but no date
      // one more.
      if (field.pattern == R"(\d{4}-\d{2}-\d{2})") continue;
      Value value = fields.fields().at(name);
      if (field.type == FieldType::kInt) {
        value.set_number_value(value.number_value() + ++fresh_);
      } else {
        value.set_string_value(
            absl::StrCat(value.string_value(), "-", ++fresh_));
      }
      SetField(name, value, fields);
      return;
    }
    // Only refs are left.
    for (const std::string& name : key) {
      const FieldSpec& field = *spec.FindField(name);
      if (field.type != FieldType::kRef) continue;
      Value value;
      value.set_string_value(
          CreateFresh(system_.collections().at(field.target)));
      SetField(name, value, fields);
      return;
    }
    ADD_FAILURE() << "no field of a key of " << spec.name << " can be changed";
  }

  int fresh_ = 0;
};

TEST_P(SystemRulesTest, AppliedAgainChangesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto response, system_.Apply());
  EXPECT_EQ(response.collections_size(), system_.collections().size());
  EXPECT_THAT(response.created(), IsEmpty());
  EXPECT_THAT(response.steps(), IsEmpty());
}

// The rows are what the tests below break, so they must leave nothing out.
TEST_P(SystemRulesTest, HaveARowThatSendsEveryFieldAndBreaksEveryCheck) {
  ASSERT_EQ(system_.rows().size(), system_.collections().size());
  for (const auto& [name, spec] : system_.collections()) {
    const Row& row = FirstRow(spec);
    for (const FieldSpec& field : spec.fields) {
      EXPECT_EQ(row.fields.fields().contains(field.name),
                CanBeSent(system_, spec, field))
          << name << "." << field.name;
    }
    EXPECT_EQ(row.broken_checks.size(), spec.checks.size()) << name;
  }
}

TEST_P(SystemRulesTest, KeepWhatIsSent) {
  for (const auto& [collection, rows] : system_.rows()) {
    for (const Row& row : rows) {
      ASSERT_OK_AND_ASSIGN(const v1::Record record,
                           system_.Get(collection, row.id));
      const CollectionSpec& spec = system_.collections().at(collection);
      for (const auto& [field, sent] : row.fields.fields()) {
        // A child among the rows is a later change.
        if (spec.FindField(field)->on_update_now && HasRollups(spec)) continue;
        const auto held = record.fields().fields().find(field);
        ASSERT_NE(held, record.fields().fields().end())
            << collection << "." << field;
        EXPECT_TRUE(MessageDifferencer::Equals(held->second, sent))
            << collection << "." << field << ": "
            << held->second.ShortDebugString();
      }
    }
  }
}

TEST_P(SystemRulesTest, GiveDefaultsToWhatIsNotSent) {
  for (const auto& [name, spec] : system_.collections()) {
    Struct fields = FreshFields(spec);
    for (const FieldSpec& field : spec.fields) {
      if (HasDefault(field)) fields.mutable_fields()->erase(field.name);
    }
    const std::string id = FreshId();
    ASSERT_OK(system_.Create(name, id, fields));
    ASSERT_OK_AND_ASSIGN(const v1::Record record, system_.Get(name, id));
    for (const FieldSpec& field : spec.fields) {
      Value wanted;
      if (field.default_now) {
        wanted.set_string_value(TimeUtil::ToString(record.create_time()));
      } else if (HasDefault(field)) {
        ASSERT_OK(
            schema::EncodeValue(field.type, field.default_value, &wanted));
      } else {
        continue;
      }
      const auto held = record.fields().fields().find(field.name);
      ASSERT_NE(held, record.fields().fields().end())
          << name << "." << field.name;
      EXPECT_TRUE(MessageDifferencer::Equals(held->second, wanted))
          << name << "." << field.name << ": "
          << held->second.ShortDebugString();
    }
  }
}

TEST_P(SystemRulesTest, RefuseEveryValueThatBreaksARule) {
  for (const auto& [name, spec] : system_.collections()) {
    const auto is_rolled_up = [this, &name = name](const std::string& field) {
      return system_.IsRolledUp(name, field);
    };
    for (const Breach& breach : BreachesOf(spec, is_rolled_up)) {
      Struct fields = FreshFields(spec);
      SetField(breach.field, breach.value, fields);
      const auto result = system_.Create(name, FreshId(), fields);
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument))
          << breach.rule;
      EXPECT_THAT(
          ViolatedPaths(result.status()),
          ElementsAre(absl::StrCat("items[0].create.fields.", breach.field)))
          << breach.rule;
    }
  }
}

TEST_P(SystemRulesTest, RefuseNullWhereAValueIsRequired) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const FieldSpec& field : spec.fields) {
      if (!field.required || system_.IsRolledUp(name, field.name)) continue;
      Struct fields = FreshFields(spec);
      (*fields.mutable_fields())[field.name].set_null_value(
          google::protobuf::NULL_VALUE);
      const auto result = system_.Create(name, FreshId(), fields);
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument))
          << name << "." << field.name;
      EXPECT_THAT(
          ViolatedPaths(result.status()),
          ElementsAre(absl::StrCat("items[0].create.fields.", field.name)));
    }
  }
}

TEST_P(SystemRulesTest, RefuseRecordsThatFailACheck) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const Struct& change : FirstRow(spec).broken_checks) {
      Struct fields = FreshFields(spec);
      for (const auto& [field, value] : change.fields()) {
        SetField(field, value, fields);
      }
      const auto result = system_.Create(name, FreshId(), fields);
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument))
          << name << " " << change.ShortDebugString();
      EXPECT_THAT(ViolatedPaths(result.status()),
                  ElementsAre("items[0].create.fields"));
    }
  }
}

TEST_P(SystemRulesTest, RefuseAKeyThatIsTaken) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const std::vector<std::string>& key : Keys(spec)) {
      const Struct taken = FreshFields(spec);
      ASSERT_OK(system_.Create(name, FreshId(), taken));
      Struct fields = FreshFields(spec);
      for (const std::string& field : key) {
        SetField(field, taken.fields().at(field), fields);
      }
      const auto result = system_.Create(name, FreshId(), fields);
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kAlreadyExists))
          << name << " " << key.front();
      EXPECT_EQ(ReasonOf(result.status()),
                ErrorReason::ERROR_REASON_UNIQUE_KEY_TAKEN);
    }
  }
}

TEST_P(SystemRulesTest, TakeAMissingPartOfAKeyForAValueUnlessItSaysOtherwise) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const std::vector<std::string>& key : Keys(spec)) {
      Struct first = FreshFields(spec);
      Struct second = FreshFields(spec);
      bool lacks = false;
      for (const std::string& field : key) {
        const FieldSpec& part = *spec.FindField(field);
        if (!part.required && !HasDefault(part)) {
          first.mutable_fields()->erase(field);
          lacks = true;
        }
        const auto value = first.fields().find(field);
        if (value != first.fields().end()) {
          SetField(field, value->second, second);
        } else {
          second.mutable_fields()->erase(field);
        }
      }
      if (!lacks) continue;
      ASSERT_OK(system_.Create(name, FreshId(), first));
      const auto result = system_.Create(name, FreshId(), second);
      EXPECT_THAT(result, StatusIs(MissingIsValue(spec, key)
                                       ? absl::StatusCode::kAlreadyExists
                                       : absl::StatusCode::kOk))
          << name << " " << key.front();
    }
  }
}

TEST_P(SystemRulesTest, KeepImmutableFieldsAsTheyAre) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const FieldSpec& field : spec.fields) {
      if (!field.immutable) continue;
      const std::string id = CreateFresh(spec);
      const Value& held = FirstRow(spec).fields.fields().at(field.name);
      Struct change;
      SetField(field.name, held, change);
      EXPECT_OK(system_.Update(name, id, change)) << name << "." << field.name;
      SetField(field.name, AnotherValue(field, held), change);
      const auto result = system_.Update(name, id, change);
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument))
          << name << "." << field.name;
      EXPECT_THAT(
          ViolatedPaths(result.status()),
          ElementsAre(absl::StrCat("items[0].update.fields.", field.name)));
    }
  }
}

TEST_P(SystemRulesTest, RefuseRefsToWhatDoesNotExist) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const FieldSpec& field : spec.fields) {
      if (field.type != FieldType::kRef) continue;
      Struct fields = FreshFields(spec);
      Value nobody;
      nobody.set_string_value("987654321");
      SetField(field.name, nobody, fields);
      const auto result = system_.Create(name, FreshId(), fields);
      EXPECT_EQ(ReasonOf(result.status()),
                ErrorReason::ERROR_REASON_REFERENCE_MISSING)
          << name << "." << field.name << ": " << result.status();
      EXPECT_EQ(FieldAtFault(result.status()),
                absl::StrCat("items[0].create.fields.", field.name));
    }
  }
}

TEST_P(SystemRulesTest, DoWhatEachRefSaysWhenItsTargetIsDeleted) {
  for (const auto& [name, spec] : system_.collections()) {
    for (const FieldSpec& field : spec.fields) {
      if (field.type != FieldType::kRef) continue;
      SCOPED_TRACE(absl::StrCat(name, ".", field.name));
      // A target that nothing else names.
      const std::string target =
          CreateFresh(system_.collections().at(field.target));
      Struct fields = FreshFields(spec);
      Value value;
      value.set_string_value(target);
      SetField(field.name, value, fields);
      const std::string id = FreshId();
      ASSERT_OK(system_.Create(name, id, fields));

      const auto deleted = system_.Delete(field.target, target);
      switch (field.on_delete) {
        case schema::OnDelete::kCascade:
          ASSERT_OK(deleted);
          EXPECT_FALSE(system_.Exists(name, id));
          break;
        case schema::OnDelete::kSetNull:
          ASSERT_OK(deleted);
          EXPECT_EQ(system_.Field(name, id, field.name), "null");
          break;
        case schema::OnDelete::kRestrict:
          EXPECT_THAT(deleted, StatusIs(absl::StatusCode::kFailedPrecondition));
          EXPECT_EQ(ReasonOf(deleted.status()),
                    ErrorReason::ERROR_REASON_RECORD_REFERENCED);
          EXPECT_TRUE(system_.Exists(field.target, target));
          ASSERT_OK(system_.Delete(name, id));
          EXPECT_OK(system_.Delete(field.target, target));
          break;
      }
    }
  }
}

TEST_P(SystemRulesTest, MoveTimesOfUpdateWithEveryChangeAndOnlyThen) {
  for (const auto& [name, spec] : system_.collections()) {
    const FieldSpec* changing = nullptr;
    const FieldSpec* moving = nullptr;
    const std::vector<std::vector<std::string>> keys = Keys(spec);
    for (const FieldSpec& field : spec.fields) {
      if (field.on_update_now) {
        moving = &field;
        continue;
      }
      bool in_key = false;
      for (const auto& key : keys) {
        for (const std::string& part : key) in_key |= part == field.name;
      }
      if (changing == nullptr && !in_key && field.one_of.empty() &&
          field.pattern.empty() && !field.immutable &&
          field.type != FieldType::kRef && field.type != FieldType::kBytes &&
          field.type != FieldType::kTimestamp &&
          CanBeSent(system_, spec, field)) {
        changing = &field;
      }
    }
    if (moving == nullptr) continue;
    SCOPED_TRACE(absl::StrCat(name, ".", moving->name));
    ASSERT_NE(changing, nullptr);
    const std::string id = CreateFresh(spec);
    const Value& held = FirstRow(spec).fields.fields().at(changing->name);
    system_.clock().Advance(absl::Hours(1));

    Struct change;
    SetField(changing->name, held, change);
    ASSERT_OK_AND_ASSIGN(const auto same, system_.Update(name, id, change));
    EXPECT_EQ(same.outcome(), v1::WriteResult::OUTCOME_UNCHANGED);

    SetField(changing->name, AnotherValue(*changing, held), change);
    ASSERT_OK_AND_ASSIGN(const auto result, system_.Update(name, id, change));
    EXPECT_EQ(result.outcome(), v1::WriteResult::OUTCOME_UPDATED);
    ASSERT_OK_AND_ASSIGN(const v1::Record record, system_.Get(name, id));
    EXPECT_EQ(record.fields().fields().at(moving->name).string_value(),
              TimeUtil::ToString(record.update_time()));
    EXPECT_GT(record.update_time(), record.create_time());
  }
}

TEST_P(SystemRulesTest, NumberNewRecordsOrTakeTheCallersIdAsDeclared) {
  for (const auto& [name, spec] : system_.collections()) {
    const auto result = system_.Create(name, "", FreshFields(spec));
    if (spec.required_ids) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument)) << name;
      continue;
    }
    ASSERT_OK(result);
    int64_t number = 0;
    EXPECT_EQ(absl::SimpleAtoi(result->id(), &number), spec.sequence_ids)
        << name << " " << result->id();
    if (spec.sequence_ids) {
      EXPECT_THAT(system_.Create(name, "one", FreshFields(spec)),
                  StatusIs(absl::StatusCode::kInvalidArgument))
          << name;
    }
  }
}

TEST_P(SystemRulesTest, OweAVectorForEachVectorFieldWithAText) {
  std::map<std::string, int> owed;
  ASSERT_OK_AND_ASSIGN(const auto leased,
                       system_.storage().Lease(kFingerprint, 4096));
  for (const v1::OutboxEntry& entry : leased.entries()) {
    if (entry.id() ==
        FirstRow(system_.collections().at(entry.collection())).id) {
      ++owed[entry.collection()];
      EXPECT_FALSE(entry.text().empty());
    }
  }
  for (const auto& [name, spec] : system_.collections()) {
    EXPECT_EQ(owed[name], spec.vectors.size()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(FiveSystems, SystemRulesTest,
                         ::testing::Values("waywo", "agentic-cms",
                                           "prompt-alchemy", "amalfa",
                                           "code-buddy"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace engram::systems
