#include "services/storage/schema_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::string_view kNotes = R"(
collection: notes
fields:
  title: {type: string, index: true}
  size: {type: int}
vectors:
  text: {source: [title]}
)";

class SchemaPlannerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    common::v1::Model& model = models_.emplace_back();
    model.set_name("test/two");
    model.set_fingerprint("two-v1");
    model.set_dimensions(2);
    model.set_is_default(true);
  }

  static DeclaredCollection Declare(absl::string_view yaml) {
    auto spec = schema::ParseCollection("test", yaml);
    EXPECT_OK(spec);
    return {.path = "documents[0]",
            .spec = *std::move(spec),
            .yaml = std::string(yaml)};
  }

  absl::StatusOr<SchemaPlan> Plan(const std::vector<absl::string_view>& yamls) {
    SchemaGoal goal = {.prune = prune_};
    for (const absl::string_view yaml : yamls) {
      goal.declared.push_back(Declare(yaml));
      goal.declared.back().path =
          absl::StrCat("documents[", goal.declared.size() - 1, "]");
    }
    return PlanSchema(state_, goal, models_);
  }

  // Makes what is planned what there is, with three records in each.
  void Have(const std::vector<absl::string_view>& yamls) {
    auto plan = Plan(yamls);
    ASSERT_OK(plan);
    ++state_.version;
    for (const CollectionChange& change : plan->changes) {
      std::erase_if(state_.collections, [&](const CollectionPtr& collection) {
        return change.before != nullptr && collection->id == change.before->id;
      });
      if (change.after == nullptr) continue;
      state_.collections.push_back(change.after);
      state_.records[change.after->id] = 3;
      state_.next_collection =
          std::max(state_.next_collection, change.after->id + 1);
      for (const VectorField& field : change.after->vectors) {
        for (const Generation& generation : field.generations) {
          state_.next_generation =
              std::max(state_.next_generation, generation.id + 1);
        }
      }
    }
  }

  // What the plan does, a line for each step.
  static std::vector<std::string> Summaries(const SchemaPlan& plan) {
    std::vector<std::string> lines;
    for (const SchemaStep& step : plan.steps) {
      lines.push_back(absl::StrCat(step.collection, ": ", step.summary,
                                   step.destructive ? " (destroys)" : ""));
    }
    return lines;
  }

  std::vector<std::string> Changing(absl::string_view from,
                                    absl::string_view to) {
    Have({from});
    auto plan = Plan({to});
    EXPECT_OK(plan);
    return plan.ok() ? Summaries(*plan) : std::vector<std::string>();
  }

  SchemaState state_;
  std::vector<common::v1::Model> models_;
  bool prune_ = false;
};

TEST_F(SchemaPlannerTest, ANewCollectionIsOneStep) {
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kNotes}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("notes: create collection \"notes\""));
  EXPECT_THAT(plan.steps[0].sql,
              ElementsAre(HasSubstr("CREATE TABLE \"notes\""),
                          "CREATE INDEX \"_index.notes.title\" ON \"notes\" "
                          "(\"title\")",
                          HasSubstr("CREATE TABLE _vectors_1 ")));
  EXPECT_FALSE(plan.destructive());
  EXPECT_FALSE(plan.wants_backup());
  EXPECT_EQ(plan.texts_to_embed, 0);
}

TEST_F(SchemaPlannerTest, WhatIsAsDeclaredNeedsNothing) {
  Have({kNotes});
  // Another order and comments say the same.
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
# the same
collection: notes
fields:
  size: {type: int}
  title: {type: string, index: true}
vectors:
  text: {source: [title]}
)"}));
  EXPECT_TRUE(plan.empty());
  ASSERT_EQ(plan.declared.size(), 1);
  EXPECT_EQ(plan.declared[0], state_.collections[0]);
}

TEST_F(SchemaPlannerTest, FieldsComeGoAndGetNames) {
  Have({R"(
collection: c
fields: {a: {type: string}, b: {type: int}, gone: {type: int, index: true}}
)"});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
collection: c
fields:
  alpha: {type: string, renamed_from: a}
  b: {type: int}
  fresh: {type: double}
)"}));
  EXPECT_THAT(Summaries(plan), ElementsAre("c: drop index on gone",
                                           "c: drop field \"gone\" (destroys)",
                                           "c: rename field \"a\" to \"alpha\"",
                                           "c: add field \"fresh\" (double)"));
  EXPECT_THAT(plan.steps[1].sql,
              ElementsAre("ALTER TABLE \"c\" DROP COLUMN \"gone\""));
  EXPECT_THAT(plan.steps[2].sql,
              ElementsAre("ALTER TABLE \"c\" RENAME COLUMN \"a\" TO "
                          "\"alpha\""));
  EXPECT_THAT(plan.steps[3].sql,
              ElementsAre("ALTER TABLE \"c\" ADD COLUMN \"fresh\" REAL"));
  EXPECT_TRUE(plan.wants_backup());
  // A rename keeps the number; a new field gets one that nothing had.
  EXPECT_THAT(plan.changes[0].after->typed.numbers, ElementsAre(1, 2, 4));
}

TEST_F(SchemaPlannerTest, AnAppliedRenameIsNoRenameAgain) {
  constexpr absl::string_view kRenamed =
      "{collection: c, fields: {b: {type: int, renamed_from: a}}}";
  Have({"{collection: c, fields: {a: {type: int}}}"});
  Have({kRenamed});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kRenamed}));
  EXPECT_TRUE(plan.empty());
}

TEST_F(SchemaPlannerTest, AChangeOfTypeRebuildsTheTableAndItsIndexes) {
  Have({R"(
collection: c
fields: {a: {type: string, index: true}, b: {type: int}}
)"});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
collection: c
fields: {a: {type: int, index: true}, b: {type: int}}
)"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("c: change field \"a\" from string to int",
                          "c: rebuild the table", "c: build index on a"));
  EXPECT_THAT(
      plan.steps[1].sql,
      ElementsAre(HasSubstr("CREATE TABLE \"_rebuild\""),
                  "INSERT INTO _rebuild (_row, id, _version, _created_us, "
                  "_updated_us, _sequence, \"a\", \"b\") VALUES (?, ?, ?, ?, "
                  "?, ?, ?, ?)",
                  "SELECT _row, id, _version, _created_us, _updated_us, "
                  "_sequence, \"a\", \"b\" FROM \"c\" ORDER BY _row",
                  "DROP TABLE \"c\"", "ALTER TABLE _rebuild RENAME TO \"c\""));
  EXPECT_EQ(plan.steps[1].records, 3);
  EXPECT_TRUE(plan.wants_backup());
  EXPECT_FALSE(plan.destructive());
  // Typed bodies of a string and of an int differ.
  EXPECT_THAT(plan.changes[0].after->typed.numbers, ElementsAre(3, 2));
}

TEST_F(SchemaPlannerTest, AStringBecomesTextWithoutARebuild) {
  EXPECT_THAT(Changing("{collection: c, fields: {a: {type: string}}}",
                       "{collection: c, fields: {a: {type: text}}}"),
              ElementsAre("c: change field \"a\" from string to text"));
}

TEST_F(SchemaPlannerTest, ATypeThatNoValueCanHaveIsAMistake) {
  Have({"{collection: c, fields: {a: {type: strings}}}"});
  EXPECT_THAT(Plan({"{collection: c, fields: {a: {type: int}}}"}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "documents[0].fields.a.type: was strings; no int"));
}

TEST_F(SchemaPlannerTest, LooserRulesTouchNoData) {
  EXPECT_THAT(Changing(R"(
collection: c
fields: {a: {type: int, required: true, min: 1, max: 5, one_of: [1, 2]}}
checks: ['a > 0']
)",
                       R"(
collection: c
fields: {a: {type: int, min: 0, max: 6, one_of: [1, 2, 3]}}
)"),
              ElementsAre("c: change field \"a\": required, one_of, min, max",
                          "c: drop the check a > 0"));
}

TEST_F(SchemaPlannerTest, TighterRulesAreVerified) {
  EXPECT_THAT(
      Changing("{collection: c, fields: {a: {type: int}, b: {type: string}}}",
               R"(
collection: c
fields: {a: {type: int, max: 6}, b: {type: string, required: true}}
checks: ['a > 0']
)"),
      ElementsAre(
          "c: change field \"a\": max", "c: change field \"b\": required",
          "c: verify the rules of field \"a\"",
          "c: verify the rules of field \"b\"", "c: verify the check a > 0"));
}

TEST_F(SchemaPlannerTest, RecordsGetTheDefaultOfANewField) {
  EXPECT_THAT(Changing("{collection: c, fields: {a: {type: int}}}", R"(
collection: c
fields: {a: {type: int}, b: {type: int, required: true, default: 7}}
)"),
              ElementsAre("c: add field \"b\" (int)",
                          "c: fill field \"b\" with its default",
                          "c: verify the rules of field \"b\""));
}

TEST_F(SchemaPlannerTest, RefsAreAddedByARebuildAndVerified) {
  constexpr absl::string_view kParents =
      "{collection: parents, fields: {a: {type: int}}}";
  Have({kParents, "{collection: c, fields: {p: {type: string}}}"});
  ASSERT_OK_AND_ASSIGN(
      const SchemaPlan plan,
      Plan({kParents, "{collection: c, fields: {p: {type: ref(parents)}}}"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("c: change field \"p\" from string to ref(parents)",
                          "c: rebuild the table",
                          "c: verify what refers by field \"p\"",
                          "c: build index on p"));
  EXPECT_THAT(plan.steps[1].sql[0],
              HasSubstr("\"p\" TEXT REFERENCES \"parents\" (id) DEFERRABLE "
                        "INITIALLY DEFERRED"));
}

TEST_F(SchemaPlannerTest, ARenamedCollectionKeepsItsRefs) {
  Have({"{collection: parents, fields: {a: {type: int}}}",
        "{collection: c, fields: {p: {type: ref(parents)}}}"});
  ASSERT_OK_AND_ASSIGN(
      const SchemaPlan plan,
      Plan({"{collection: elders, renamed_from: parents, fields: {a: {type: "
            "int}}}",
            "{collection: c, fields: {p: {type: ref(elders)}}}"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("elders: rename collection \"parents\" to "
                          "\"elders\"",
                          "c: change the rules of the collection"));
  EXPECT_THAT(plan.steps[0].sql,
              ElementsAre("ALTER TABLE \"parents\" RENAME TO \"elders\""));
}

TEST_F(SchemaPlannerTest, ACollectionThatOthersReferToIsNotDropped) {
  constexpr absl::string_view kChild =
      "{collection: c, fields: {p: {type: ref(parents)}}}";
  Have({"{collection: parents, fields: {a: {type: int}}}", kChild});
  prune_ = true;
  const absl::Status refused = Plan({kChild}).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                "\"c.p\" refers to it"));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_COLLECTION_REFERENCED);
  // Both may go.
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("parents: drop collection \"parents\" (destroys)",
                          "c: drop collection \"c\" (destroys)"));
}

TEST_F(SchemaPlannerTest, WhatIsNotDeclaredStaysUnlessPruned) {
  Have({kNotes, "{collection: other, fields: {a: {type: int}}}"});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan kept, Plan({kNotes}));
  EXPECT_TRUE(kept.empty());
  prune_ = true;
  ASSERT_OK_AND_ASSIGN(const SchemaPlan pruned, Plan({kNotes}));
  EXPECT_THAT(Summaries(pruned),
              ElementsAre("other: drop collection \"other\" (destroys)"));
  EXPECT_TRUE(pruned.wants_backup());
}

TEST_F(SchemaPlannerTest, ARefToNothingIsAMistake) {
  EXPECT_THAT(
      Plan({"{collection: c, fields: {p: {type: ref(nowhere)}}}"}).status(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "documents[0].fields.p.type"));
}

TEST_F(SchemaPlannerTest, OtherVectorsAreEmbeddedAgain) {
  Have({kNotes});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
collection: notes
fields: {title: {type: string, index: true}, size: {type: int}}
vectors: {text: {source: [title], metric: dot}}
)"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("notes: embed vectors \"text\" with test/two "
                          "(two-v1), beside those that serve"));
  EXPECT_THAT(plan.steps[0].sql,
              ElementsAre(HasSubstr("CREATE TABLE _vectors_2 ")));
  EXPECT_EQ(plan.texts_to_embed, 3);
  EXPECT_FALSE(plan.destructive());
}

TEST_F(SchemaPlannerTest, TextsCutOtherwiseAreEmbeddedAgain) {
  const auto with = [](absl::string_view chunking) {
    return absl::StrCat(
        "{collection: notes, fields: {title: {type: text}}, vectors: {text: "
        "{source: [title], chunking: ",
        chunking, "}}}");
  };
  Have({with("none")});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({with("paragraphs")}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("notes: embed vectors \"text\" with test/two "
                          "(two-v1), chunked by paragraphs, beside those that "
                          "serve"));
  EXPECT_THAT(plan.steps[0].sql,
              ElementsAre(HasSubstr("text_hash BLOB NOT NULL")));
  EXPECT_EQ(plan.texts_to_embed, 3);

  Have({with("paragraphs")});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan same,
                       Plan({with("{by: paragraphs, size: 256}")}));
  EXPECT_EQ(same.texts_to_embed, 0);
  ASSERT_OK_AND_ASSIGN(const SchemaPlan smaller,
                       Plan({with("{by: paragraphs, size: 128}")}));
  EXPECT_EQ(smaller.texts_to_embed, 3);
}

TEST_F(SchemaPlannerTest, VectorsThatAreDeclaredAgainAreNotEmbeddedAgain) {
  const auto with = [](absl::string_view attributes) {
    return absl::StrCat(
        "{collection: notes, fields: {title: {type: text}}, vectors: {text: "
        "{source: [title], ",
        attributes, "}}}");
  };
  Have({with("metric: dot")});
  Have({with("metric: l2")});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan back, Plan({with("metric: dot")}));
  EXPECT_THAT(Summaries(back),
              ElementsAre("notes: drop vectors \"text\" of generation 2",
                          "notes: go back to vectors \"text\" of generation "
                          "1, made with test/two"));
  EXPECT_EQ(back.texts_to_embed, 0);
  ASSERT_OK_AND_ASSIGN(const SchemaPlan manual,
                       Plan({with("metric: l2, cutover: manual")}));
  EXPECT_THAT(Summaries(manual),
              ElementsAre("notes: cut over to new vectors \"text\" when "
                          "SwitchGeneration is called"));
}

TEST_F(SchemaPlannerTest, AnotherIndexKeepsTheVectors) {
  const auto with = [](absl::string_view attributes) {
    return absl::StrCat(
        "{collection: notes, fields: {title: {type: text}}, vectors: {text: "
        "{source: [title]",
        attributes, "}}}");
  };
  Have({with("")});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan,
                       Plan({with(", index: hnsw, precision: float32")}));
  EXPECT_THAT(
      Summaries(plan),
      ElementsAre("notes: change the kind of the index of \"text\"",
                  "notes: change the precision of the index of \"text\""));
  EXPECT_EQ(plan.texts_to_embed, 0);
}

TEST_F(SchemaPlannerTest, ANewDefaultModelChangesNothingThatIsDeclared) {
  Have({kNotes});
  models_[0].set_is_default(false);
  common::v1::Model other = models_[0];
  other.set_name("test/three");
  other.set_fingerprint("three-v1");
  other.set_is_default(true);
  models_.push_back(other);
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kNotes}));
  EXPECT_TRUE(plan.empty());
}

TEST_F(SchemaPlannerTest, ARenamedSourceKeepsItsVectors) {
  Have({kNotes});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
collection: notes
fields:
  headline: {type: string, index: true, renamed_from: title}
  size: {type: int}
vectors: {text: {source: [headline]}}
)"}));
  EXPECT_EQ(plan.texts_to_embed, 0);
  EXPECT_EQ(plan.changes[0].after->vectors[0].serving().id, 1);
}

TEST_F(SchemaPlannerTest, DroppedVectorsAreData) {
  Have({kNotes});
  ASSERT_OK_AND_ASSIGN(
      const SchemaPlan plan,
      Plan({"{collection: notes, fields: {title: {type: string, index: true}, "
            "size: {type: int}}}"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("notes: drop vectors \"text\" (destroys)"));
}

TEST_F(SchemaPlannerTest, ExpiryAndKeptDeletesAreColumns) {
  Have({"{collection: c, fields: {a: {type: int}}}"});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({R"(
collection: c
fields: {a: {type: int}}
expire: {after: 10s}
soft_delete: true
)"}));
  EXPECT_THAT(Summaries(plan),
              ElementsAre("c: let records expire", "c: keep deleted records",
                          "c: set when records expire",
                          "c: build index of what has a time to expire",
                          "c: build index of what has been deleted"));
  EXPECT_THAT(plan.steps[2].sql,
              ElementsAre("UPDATE \"c\" SET _expires_us = _created_us + "
                          "10000000"));
}

TEST_F(SchemaPlannerTest, HistoryThatIsSwitchedOffIsDestroyed) {
  EXPECT_THAT(
      Changing("{collection: c, fields: {a: {type: int}}, history: true}",
               "{collection: c, fields: {a: {type: int}}}"),
      ElementsAre("c: drop old versions and keep none (destroys)"));
}

TEST_F(SchemaPlannerTest, TwoNamesAreExchangedThroughAThird) {
  Have({"{collection: a, fields: {x: {type: int}}}",
        "{collection: b, fields: {y: {type: int}}}"});
  // Only an older schema can ask for that.
  SchemaGoal goal;
  goal.declared = {Declare("{collection: b, fields: {x: {type: int}}}"),
                   Declare("{collection: a, fields: {y: {type: int}}}")};
  for (int i = 0; i < 2; ++i) {
    goal.declared[i].collection = i + 1;
    goal.declared[i].numbers = {1};
  }
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan,
                       PlanSchema(state_, goal, models_));
  std::vector<std::string> sql;
  for (const SchemaStep& step : plan.steps) {
    sql.insert(sql.end(), step.sql.begin(), step.sql.end());
  }
  EXPECT_THAT(sql, ElementsAre("ALTER TABLE \"a\" RENAME TO \"_renamed_1\"",
                               "ALTER TABLE \"b\" RENAME TO \"_renamed_2\"",
                               "ALTER TABLE \"_renamed_1\" RENAME TO \"b\"",
                               "ALTER TABLE \"_renamed_2\" RENAME TO \"a\""));
}

TEST_F(SchemaPlannerTest, TheHashStandsForStepsAndBase) {
  Have({kNotes});
  constexpr absl::string_view kOther =
      "{collection: other, fields: {a: {type: int, max: 1}}}";
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kOther}));
  ASSERT_OK_AND_ASSIGN(const SchemaPlan again, Plan({kOther}));
  EXPECT_EQ(plan.hash, again.hash);
  // More records make it no other plan.
  state_.records[1] = 1000;
  ASSERT_OK_AND_ASSIGN(const SchemaPlan later, Plan({kOther}));
  EXPECT_EQ(plan.hash, later.hash);
  // Steps may read the same and mean something else.
  ASSERT_OK_AND_ASSIGN(
      const SchemaPlan looser,
      Plan({"{collection: other, fields: {a: {type: int, max: 2}}}"}));
  EXPECT_NE(plan.hash, looser.hash);
  ++state_.version;
  ASSERT_OK_AND_ASSIGN(const SchemaPlan rebased, Plan({kOther}));
  EXPECT_NE(plan.hash, rebased.hash);
}

TEST_F(SchemaPlannerTest, AnUnknownModelIsNamedWithTheOthers) {
  const absl::Status status =
      Plan({R"({collection: c, fields: {t: {type: text}},
                vectors: {v: {source: [t], model: nope}}})"})
          .status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               "registered: test/two"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_MODEL_UNKNOWN);
}

TEST_F(SchemaPlannerTest, ARollUpIsComputedWhenItIsDeclared) {
  constexpr absl::string_view kParents =
      "{collection: parents, fields: {n: {type: int}}}";
  Have({kParents, "{collection: c, fields: {p: {type: ref(parents)}}}"});
  ASSERT_OK_AND_ASSIGN(const SchemaPlan plan, Plan({kParents, R"(
collection: c
fields: {p: {type: ref(parents)}}
rollups: {parent: p, set: {n: count}}
)"}));
  EXPECT_THAT(Summaries(plan), ElementsAre("c: compute the roll-up of \"p\""));
}

}  // namespace
}  // namespace engram::storage
