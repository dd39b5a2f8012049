#include "libs/schema/schema_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Collection, path, problem.
using Mistakes = std::vector<std::tuple<std::string, std::string, std::string>>;

using Check = void (*)(const std::vector<const CollectionSpec*>&,
                       ReportMistake);

// What `check` reports of the collections that the documents declare.
Mistakes MistakesIn(const std::vector<std::string>& documents,
                    Check check = CheckReferences) {
  std::deque<CollectionSpec> specs;
  std::vector<const CollectionSpec*> all;
  for (const std::string& yaml : documents) {
    auto spec = ParseCollection("x.yaml", yaml);
    EXPECT_OK(spec) << yaml;
    if (spec.ok()) all.push_back(&specs.emplace_back(*std::move(spec)));
  }
  Mistakes mistakes;
  check(all, [&](absl::string_view collection, absl::string_view path,
                 absl::string_view problem) {
    mistakes.emplace_back(collection, path, problem);
  });
  return mistakes;
}

// A child whose roll-up sets `set` of the parent.
std::string Child(absl::string_view set) {
  return absl::StrCat(R"(
collection: messages
fields:
  session_id: {type: ref(sessions)}
  tokens:     {type: int}
  cost:       {type: double}
  at:         {type: timestamp}
  reads:      {type: int}
touch: {on: get, set: {reads: +1}}
rollups: {parent: session_id, set: {)",
                      set, "}}\n");
}

constexpr char kParent[] = R"(
collection: sessions
fields:
  messages: {type: int, required: true, default: 0}
  tokens:   {type: int}
  cost:     {type: double}
  last:     {type: timestamp}
  title:    {type: string}
  needed:   {type: timestamp, required: true}
  fixed:    {type: int, immutable: true}
  double:   {type: int, generated: tokens * 2}
  reads:    {type: int}
  serial:   {type: int, unique: true}
  updated:  {type: timestamp, on_update: now}
touch: {on: get, set: {reads: +1}}
)";

TEST(CheckReferencesTest, TakesRefsToWhatIsDeclared) {
  EXPECT_THAT(MistakesIn({"{collection: a, fields: {x: {type: ref(b)}, y: "
                          "{type: ref(a)}}}",
                          "{collection: b, fields: {x: {type: ref(a)}}}"}),
              IsEmpty());
}

TEST(CheckReferencesTest, ReportsRefsToNothing) {
  EXPECT_THAT(
      MistakesIn(
          {"{collection: a, fields: {x: {type: ref(session)}}}", kParent}),
      ElementsAre(FieldsAre("a", "fields.x.type",
                            "no collection \"session\"; declare it in the same "
                            "apply; did you mean \"sessions\"?")));
}

TEST(CheckReferencesTest, TakesRollupsThatFit) {
  EXPECT_THAT(MistakesIn({Child("messages: count, tokens: sum(tokens), cost: "
                                "sum(cost), last: max(at)"),
                          kParent}),
              IsEmpty());
  EXPECT_THAT(MistakesIn({Child("cost: sum(tokens)"), kParent}), IsEmpty());
}

TEST(CheckReferencesTest, ReportsRollupsThatDoNotFit) {
  struct Case {
    const char* set;
    const char* path;
    const char* problem;
  };
  const Case kCases[] = {
      {"message: count", "rollups[0].set.message",
       "the collection \"sessions\" has no such field; did you mean "
       "\"messages\"?"},
      {"title: count", "rollups[0].set.title", "is of type string, not int"},
      {"cost: count", "rollups[0].set.cost", "is of type double, not int"},
      {"tokens: sum(cost)", "rollups[0].set.tokens",
       "is of type int, not double"},
      {"tokens: max(at)", "rollups[0].set.tokens",
       "is of type int, not timestamp"},
      {"needed: max(at)", "rollups[0].set.needed", "is required"},
      {"fixed: count", "rollups[0].set.fixed", "is immutable"},
      {"double: count", "rollups[0].set.double", "is generated"},
      {"reads: count", "rollups[0].set.reads", "is touched by reading"},
      {"serial: count", "rollups[0].set.serial", "is unique"},
      {"updated: max(at)", "rollups[0].set.updated", "is set on each update"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(
        MistakesIn({kParent, Child(c.set)}),
        ElementsAre(FieldsAre("messages", c.path, HasSubstr(c.problem))))
        << c.set;
  }
}

TEST(CheckReferencesTest, ReportsARollupOverWhatReadingChanges) {
  const std::string child =
      "{collection: messages, fields: {p: {type: ref(sessions)}, n: {type: "
      "int}}, touch: {on: get, set: {n: +1}}, rollups: {parent: p, where: 'n > "
      "3', set: {messages: count}}}";
  EXPECT_THAT(
      MistakesIn({kParent, child}),
      ElementsAre(FieldsAre("messages", "rollups[0].where",
                            HasSubstr("\"n\", which reading changes"))));
}

TEST(CheckReferencesTest, ReportsARollupOverWhatIsMadeOfWhatReadingChanges) {
  const std::string child =
      "{collection: messages, fields: {p: {type: ref(sessions)}, n: {type: "
      "int}, g: {type: int, generated: 'n * 2'}}, touch: {on: get, set: {n: "
      "+1}}, rollups: {parent: p, where: 'g > 3', set: {messages: count}}}";
  EXPECT_THAT(
      MistakesIn({kParent, child}),
      ElementsAre(FieldsAre("messages", "rollups[0].where",
                            HasSubstr("\"n\", which reading changes"))));
}

TEST(CheckReferencesTest, ReportsTwoRollupsOfOneField) {
  const std::string other =
      "{collection: notes, fields: {s: {type: ref(sessions)}}, rollups: "
      "{parent: s, set: {messages: count}}}";
  EXPECT_THAT(MistakesIn({kParent, Child("messages: count"), other}),
              ElementsAre(FieldsAre("messages", "rollups[0].set.messages",
                                    HasSubstr("kept by another roll-up too")),
                          FieldsAre("notes", "rollups[0].set.messages",
                                    HasSubstr("kept by another roll-up too"))));
}

TEST(CheckReferencesTest, ReportsARollupOfARollup) {
  const std::string parent =
      "{collection: sessions, fields: {messages: {type: int}, user: {type: "
      "ref(users)}}, rollups: {parent: user, set: {messages: sum(messages)}}}";
  EXPECT_THAT(
      MistakesIn({"{collection: users, fields: {messages: {type: int}}}",
                  parent, Child("messages: count")}),
      ElementsAre(FieldsAre("sessions", "rollups[0].set.messages",
                            HasSubstr("is itself kept by a roll-up"))));
  // A tree that sums itself up would go round for ever.
  EXPECT_THAT(
      MistakesIn({"{collection: t, fields: {n: {type: int}, up: {type: "
                  "ref(t)}}, rollups: {parent: up, set: {n: sum(n)}}}"}),
      ElementsAre(FieldsAre("t", "rollups[0].set.n",
                            HasSubstr("is itself kept by a roll-up"))));
}

TEST(CheckRenamesTest, ReportsNamesThatAreTakenTwice) {
  EXPECT_THAT(
      MistakesIn({"{collection: a, renamed_from: x, fields: {f: {type: int}}}",
                  "{collection: b, renamed_from: y, fields: {f: {type: int}}}"},
                 CheckRenames),
      IsEmpty());
  EXPECT_THAT(
      MistakesIn({"{collection: a, renamed_from: x, fields: {f: {type: int}}}",
                  "{collection: b, renamed_from: x, fields: {f: {type: int}}}",
                  "{collection: d, renamed_from: a, fields: {f: {type: int}}}"},
                 CheckRenames),
      ElementsAre(FieldsAre("b", "renamed_from",
                            HasSubstr("as another collection does")),
                  FieldsAre("d", "renamed_from",
                            HasSubstr("\"a\", which is declared as well"))));
}

}  // namespace
}  // namespace engram::schema
