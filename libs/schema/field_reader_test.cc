#include "libs/schema/field_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/testing/mistakes.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::schema::testing::FieldDocument;
using ::engram::schema::testing::MistakesOf;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

// The field `f` of a document that declares it beside fields of other types.
FieldSpec ReadFieldBesideOthers(absl::string_view attributes) {
  const auto spec = ParseCollection(
      "x.yaml", absl::StrCat("collection: c\nfields:\n  f: {", attributes,
                             "}\n  i: {type: int}\n  d: {type: double}\n"
                             "  s: {type: string}\n  j: {type: json}\n"
                             "  t: {type: timestamp}\n  l: {type: strings}\n"
                             "  g: {type: int, generated: i + 1}\n"));
  EXPECT_OK(spec) << attributes;
  return spec.ok() ? spec->fields[0] : FieldSpec();
}

TEST(FieldReaderTest, ReadsEveryAttribute) {
  struct Case {
    const char* attributes;
    FieldSpec field;
  };
  using T = FieldType;
  const Case kCases[] = {
      {"type: string, collate: nocase", {.nocase = true}},
      {"type: text, immutable: true", {.type = T::kText, .immutable = true}},
      {"type: string, pattern: '[a-z]+', max_length: 5",
       {.max_length = 5, .pattern = "[a-z]+"}},
      {"type: strings, pattern: 'a.*', one_of: [ab, aa], index: true",
       {.type = T::kStrings,
        .indexed = true,
        .one_of = {"aa", "ab"},
        .pattern = "a.*"}},
      {"type: int, render: string", {.type = T::kInt, .render_string = true}},
      {"type: timestamp, default: now, on_update: now, required: true",
       {.type = T::kTimestamp,
        .required = true,
        .default_now = true,
        .on_update_now = true}},
      {"type: string, default: now", {.default_value = "now"}},
      {"type: string, renamed_from: title", {.renamed_from = "title"}},
      {"type: ref(users)", {.type = T::kRef, .target = "users"}},
      {"type: ref(c), on_delete: restrict, required: true",
       {.type = T::kRef, .required = true, .target = "c"}},
      {"type: ref(c), on_delete: cascade",
       {.type = T::kRef, .target = "c", .on_delete = OnDelete::kCascade}},
      {"type: ref(c), on_delete: set_null, unique: true, default: x",
       {.type = T::kRef,
        .default_value = "x",
        .unique = true,
        .target = "c",
        .on_delete = OnDelete::kSetNull}},
      {"type: string, merge: replace", {.merge = Merge::kReplace}},
      {"type: json, merge: keep", {.type = T::kJson, .merge = Merge::kKeep}},
      {"type: string, immutable: true, merge: keep",
       {.immutable = true, .merge = Merge::kKeep}},
      {"type: double, merge: add", {.type = T::kDouble, .merge = Merge::kAdd}},
      {"type: timestamp, merge: max",
       {.type = T::kTimestamp, .merge = Merge::kMax}},
      {"type: string, merge: min", {.merge = Merge::kMin}},
      {"type: strings, merge: append",
       {.type = T::kStrings, .merge = Merge::kAppend}},
      {"type: strings, merge: union",
       {.type = T::kStrings, .merge = Merge::kUnion}},
      {"type: double, merge: '(f * i + new.f * new.i) / (i + new.i)'",
       {.type = T::kDouble,
        .merge = Merge::kExpression,
        .merge_expression = "(f * i + new.f * new.i) / (i + new.i)"}},
      {"type: timestamp, merge: now",
       {.type = T::kTimestamp,
        .merge = Merge::kExpression,
        .merge_expression = "now"}},
      {"type: double, generated: 'd / i', index: true",
       {.type = T::kDouble, .indexed = true, .generated = "d / i"}},
      {"type: timestamp, generated: t + 7d, required: false",
       {.type = T::kTimestamp, .generated = "t + 7d"}},
      {"type: string, extract: j.author.name, unique: true, required: true",
       {.required = true, .unique = true, .extract = "j.author.name"}},
      {"type: int, extract: j.n, min: 0",
       {.type = T::kInt, .min = int64_t{0}, .extract = "j.n"}},
  };
  for (const Case& c : kCases) {
    FieldSpec expected = c.field;
    expected.name = "f";
    EXPECT_EQ(ReadFieldBesideOthers(c.attributes), expected) << c.attributes;
  }
}

TEST(FieldReaderTest, RefusesValuesThatMakeNoSense) {
  struct Case {
    const char* attributes;
    const char* path;
    const char* problem;
  };
  const Case kCases[] = {
      {"required: true", "fields.f.type", "is missing; one of string, text"},
      {"type: ~", "fields.f.type", "is no type"},
      {"type: string, required: yes", "fields.f.required",
       "wants true or false"},
      {"type: string, required: 'true'", "fields.f.required", "wants true or"},
      {"type: string, type: text", "fields.f.type", "is given twice"},
      {"type: int, default: many", "fields.f.default", "wants an int; got the"},
      {"type: int, default: 1.5", "fields.f.default", "wants an int"},
      {"type: int, default: 99999999999999999999", "fields.f.default",
       "beyond"},
      {"type: int, default: ~", "fields.f.default", "is null; leave it out"},
      {"type: int, default: [1]", "fields.f.default",
       "wants an int; got a list"},
      {"type: double, default: .nan", "fields.f.default", "wants a number"},
      {"type: double, default: 0x10", "fields.f.default", "wants a number"},
      {"type: double, default: 1e999", "fields.f.default", "finite"},
      {"type: double, default: '1'", "fields.f.default", "wants a number"},
      {"type: bool, default: 1", "fields.f.default", "wants true or false"},
      {"type: timestamp, default: 2026-01-01", "fields.f.default", "RFC 3339"},
      {"type: strings, default: a", "fields.f.default",
       "wants a list of strings"},
      {"type: int, default: 5, max: 4", "fields.f.default", "at most 4"},
      {"type: string, default: c, one_of: [a, b]", "fields.f.default",
       "allowed"},
      {"type: int, min: 2, max: 1", "fields.f.max", "is less than min"},
      {"type: string, min: 1", "fields.f.min",
       "does not go with the type string"},
      {"type: int, max_length: 1", "fields.f.max_length", "does not go with"},
      {"type: string, max_length: 0", "fields.f.max_length",
       "wants a whole number from 1 to"},
      {"type: string, max_length: a", "fields.f.max_length",
       "wants a whole number from 1 to"},
      {"type: double, one_of: [1]", "fields.f.one_of", "does not go with"},
      {"type: int, one_of: [1, 1]", "fields.f.one_of[1]", "is given twice"},
      {"type: int, one_of: [1, x]", "fields.f.one_of[1]", "wants an int"},
      {"type: int, one_of: []", "fields.f.one_of", "wants a list of 1 to"},
      {"type: json, index: true", "fields.f.index",
       "does not go with the type"},
      {"type: strings, unique: true", "fields.f.unique",
       "does not go with the"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(MistakesOf(FieldDocument(c.attributes)),
                ElementsAre(Pair(c.path, HasSubstr(c.problem))))
        << c.attributes;
  }
}

struct RefusedCase {
  const char* attributes;
  const char* attribute;
  const char* problem;
};

// Each is refused where the attribute stands, with line and column.
void ExpectRefused(const RefusedCase& c) {
  const std::string yaml = absl::StrCat(
      "collection: c\nfields:\n  i: {type: int}\n  d: {type: double}\n"
      "  s: {type: string}\n  j: {type: json}\n  l: {type: strings}\n"
      "  g: {type: int, generated: i + 1}\n  f: {",
      c.attributes, "}\n");
  EXPECT_THAT(
      MistakesOf(yaml),
      ElementsAre(Pair(absl::StrCat("fields.f.", c.attribute),
                       AllOf(StartsWith("x.yaml:9:"), HasSubstr(c.problem)))))
      << c.attributes;
}

TEST(FieldReaderTest, RefusesAttributesThatDoNotGoWithTheType) {
  const RefusedCase kCases[] = {
      {"type: int, collate: nocase", "collate", "with the type int"},
      {"type: string, collate: unicode", "collate", "wants nocase"},
      {"type: string, collate: true", "collate", "wants nocase"},
      {"type: double, render: string", "render", "with the type double"},
      {"type: int, render: number", "render", "wants string"},
      {"type: string, on_update: now", "on_update", "with the type string"},
      {"type: timestamp, on_update: later", "on_update", "wants now"},
      {"type: int, pattern: '1'", "pattern", "with the type int"},
      {"type: string, pattern: '('", "pattern", "is no RE2 pattern: missing )"},
      {"type: string, pattern: ''", "pattern", "wants an RE2 pattern"},
      {"type: string, pattern: '((((x{999}){999}){999}){999})'", "pattern",
       "is no RE2 pattern"},
      {"type: string, pattern: a+, default: b", "default", "it must match a+"},
      {"type: string, on_delete: cascade", "on_delete", "with the type string"},
      {"type: ref(s), on_delete: delete", "on_delete",
       "wants one of restrict, cascade, set_null"},
      {"type: ref(s), on_delete: set_null, required: true", "on_delete",
       "takes the value of a field that is required"},
      {"type: ref(s), on_delete: set_null, immutable: true", "on_delete",
       "that is immutable; choose restrict or cascade"},
      {"type: ref", "type", "is no type; known: string"},
      {"type: ref(", "type", "is no type"},
      {"type: ref(), index: true", "type", "is no type"},
      {"type: ref(No Name)", "type", "is no type"},
      {"type: [ref]", "type", "is no type"},
      {"type: string, immutable: 1", "immutable", "wants true or false"},
      {"type: timestamp, immutable: true, on_update: now", "on_update",
       "changes a field that is immutable"},
      {"type: string, renamed_from: s", "renamed_from",
       "names \"s\", which is still declared"},
      {"type: string, renamed_from: f", "renamed_from", "still declared"},
      {"type: string, renamed_from: S", "renamed_from", "is no name"},
      {"type: string, default: ~", "default", "is null; leave it out"},
      {"type: timestamp, default: later", "default", "RFC 3339"},
      {"type: strings, unique: true", "unique", "with the type strings"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(FieldReaderTest, RefusesMergeRulesThatCannotWork) {
  const RefusedCase kCases[] = {
      {"type: string, merge: add", "merge", "add does not go with the type"},
      {"type: timestamp, merge: add", "merge", "add does not go with the type"},
      {"type: bool, merge: max", "merge", "max does not go with the type bool"},
      {"type: string, merge: append", "merge", "append does not go with"},
      {"type: int, merge: union", "merge", "union does not go with the type"},
      {"type: json, merge: 'f'", "merge",
       "an expression does not go with the type json"},
      {"type: int, merge: [add]", "merge", "wants an expression in quotes"},
      {"type: int, merge: ''", "merge", "wants an expression in quotes"},
      {"type: int, merge: adt", "merge", "no field \"adt\""},
      {"type: int, merge: f + new.ff", "merge", "column"},
      {"type: int, merge: s", "merge", "column"},
      {"type: int, merge: new.g", "merge", "which is itself generated"},
      {"type: int, merge: _version", "merge", "not id or _version"},
      {"type: int, immutable: true, merge: add", "merge",
       "changes a field that is immutable"},
      {"type: int, immutable: true, merge: f + 1", "merge",
       "changes a field that is immutable"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(FieldReaderTest, RefusesFieldsThatCannotBeComputed) {
  const RefusedCase kCases[] = {
      {"type: json, generated: i", "generated", "with the type json"},
      {"type: ref(c), generated: s", "generated", "with the type ref"},
      {"type: int, generated: i +", "generated", "column"},
      {"type: int, generated: d", "generated", "column"},
      {"type: int, generated: [i]", "generated", "wants an expression"},
      {"type: int, generated: ii", "generated", "no field \"ii\""},
      {"type: int, generated: f + 1", "generated", "is itself generated"},
      {"type: int, generated: g + 1", "generated",
       "uses the field \"g\", which is itself generated"},
      {"type: int, generated: new.i", "generated", "column"},
      {"type: timestamp, generated: now", "generated", "uses now"},
      {"type: int, generated: _version", "generated", "not id or _version"},
      {"type: int, generated: i, required: true", "required",
       "does not go with generated"},
      {"type: int, generated: i, default: 1", "default",
       "does not go with generated"},
      {"type: int, generated: i, unique: true", "unique",
       "does not go with generated"},
      {"type: int, generated: i, immutable: true", "immutable",
       "does not go with generated"},
      {"type: int, generated: i, merge: add", "merge",
       "does not go with generated"},
      {"type: int, generated: i, min: 0", "min", "does not go with generated"},
      {"type: int, generated: i, one_of: [1]", "one_of",
       "does not go with generated"},
      {"type: string, generated: s, pattern: a", "pattern",
       "does not go with generated"},
      {"type: bytes, extract: j.x", "extract", "with the type bytes"},
      {"type: string, extract: j", "extract", "is no path"},
      {"type: string, extract: j.", "extract", "is no path"},
      {"type: string, extract: 'j.x = 1'", "extract", "is no path"},
      {"type: string, extract: s.x", "extract", "which is no json"},
      {"type: string, extract: k.x", "extract", "no field \"k\""},
      {"type: string, extract: [j]", "extract", "wants the path"},
      {"type: string, extract: j.x, default: a", "default",
       "does not go with extract"},
      {"type: string, extract: j.x, merge: keep", "merge",
       "does not go with extract"},
      {"type: timestamp, extract: j.x, on_update: now", "on_update",
       "does not go with extract"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(FieldReaderTest, TwoFieldsCannotComeFromOne) {
  EXPECT_THAT(
      MistakesOf("collection: c\nfields:\n"
                 "  a: {type: int, renamed_from: x}\n"
                 "  b: {type: int, renamed_from: x}\n"),
      ElementsAre(Pair("fields.b.renamed_from",
                       "x.yaml:4:32: names \"x\", as another field does; keep "
                       "one")));
}

TEST(FieldReaderTest, ADefaultRuleIsThatOfFieldsThatNameNone) {
  ASSERT_OK_AND_ASSIGN(const CollectionSpec spec,
                       ParseCollection("",
                                       "collection: c\nmerge: keep\nfields:\n"
                                       "  a: {type: json}\n"
                                       "  b: {type: int, merge: add}\n"
                                       "  c: {type: int, generated: b}\n"));
  EXPECT_EQ(spec.fields[0].merge, Merge::kKeep);
  EXPECT_EQ(spec.fields[1].merge, Merge::kAdd);
  EXPECT_EQ(spec.fields[2].merge, Merge::kReplace);
  EXPECT_THAT(MistakesOf("collection: c\nmerge: add\nfields: {a: {type: int}}"),
              ElementsAre(Pair("merge",
                               "x.yaml:2:8: wants one of replace, "
                               "keep")));
}

// A field of a wrong type is one mistake, not one more at each use of it.
TEST(FieldReaderTest, AFaultyFieldIsReportedOnce) {
  EXPECT_THAT(MistakesOf("collection: c\nfields:\n"
                         "  a: {type: itn}\n"
                         "  b: {type: int, generated: a + 1}\n"
                         "  c: {type: int, merge: a + new.a}\n"
                         "checks: ['a > 0']\n"
                         "indexes: [[a, b], {fields: [b], where: a > 0}]\n"
                         "unique: [[a, c]]\n"
                         "touch: {on: get, set: {a: '+1'}}\n"),
              ElementsAre(Pair("fields.a.type", HasSubstr("is no type"))));
}

}  // namespace
}  // namespace engram::schema
