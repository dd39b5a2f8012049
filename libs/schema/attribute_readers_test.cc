#include "libs/schema/attribute_readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/testing/mistakes.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::schema::testing::MistakesOf;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

// A document with a field of each type; `attributes` begin at line 16.
std::string Document(absl::string_view attributes) {
  return absl::StrCat(R"(collection: c
fields:
  i:  {type: int}
  i2: {type: int}
  d:  {type: double}
  s:  {type: string}
  s2: {type: string}
  x:  {type: text}
  b:  {type: bool}
  t:  {type: timestamp}
  j:  {type: json}
  l:  {type: strings}
  r:  {type: ref(parents)}
  r2: {type: ref(parents)}
  g:  {type: string, generated: 'coalesce(s, s2)'}
)",
                      attributes, "\n");
}

CollectionSpec Read(absl::string_view attributes) {
  auto spec = ParseCollection("x.yaml", Document(attributes));
  EXPECT_OK(spec) << attributes;
  return spec.ok() ? *std::move(spec) : CollectionSpec();
}

struct RefusedCase {
  const char* attributes;
  const char* path;
  const char* problem;
};

void ExpectRefused(const RefusedCase& c) {
  EXPECT_THAT(MistakesOf(Document(c.attributes)),
              ElementsAre(Pair(c.path, AllOf(StartsWith("x.yaml:16:"),
                                             HasSubstr(c.problem)))))
      << c.attributes;
}

TEST(CollectionAttributesTest, IdsAreNumberedRequiredOrEither) {
  EXPECT_FALSE(Read("").sequence_ids);
  EXPECT_FALSE(Read("").required_ids);
  EXPECT_TRUE(Read("id: sequence").sequence_ids);
  EXPECT_TRUE(Read("id: required").required_ids);
  EXPECT_FALSE(Read("id: required").sequence_ids);
  ExpectRefused({"id: uuid", "id", "wants one of required, sequence"});
  ExpectRefused({"id: [sequence]", "id", "wants one of required, sequence"});
}

TEST(CollectionAttributesTest, ACollectionNamesItsEarlierName) {
  EXPECT_EQ(Read("renamed_from: d").renamed_from, "d");
  ExpectRefused({"renamed_from: c", "renamed_from", "is the collection's own"});
  ExpectRefused({"renamed_from: Old", "renamed_from", "is no name"});
}

TEST(UniqueKeysTest, TakeWhatAColumnHolds) {
  EXPECT_THAT(Read("unique: [[t, s], [r, b]]").unique,
              ElementsAre(ElementsAre("b", "r"), ElementsAre("s", "t")));
  ExpectRefused({"unique: [[s, j]]", "unique[0][1]", "the type json cannot"});
  ExpectRefused({"unique: [[s, g]]", "unique[0][1]", "is generated"});
  ExpectRefused({"unique: [[s, t], [t, s]]", "unique[1]", "twice"});
  ExpectRefused({"unique: [s]", "unique[0]", "wants a list of fields"});
}

TEST(UniqueKeysTest, SayWhatMissingValuesAre) {
  const CollectionSpec spec = Read(
      "unique: [[i, t], {fields: [t, s], missing: distinct}, {fields: "
      "[x], missing: distinct}, {fields: [b], missing: equal}]");
  EXPECT_THAT(spec.unique,
              ElementsAre(ElementsAre("i", "t"), ElementsAre("s", "t")));
  EXPECT_TRUE(spec.FindField("x")->unique);
  std::vector<Missing> missing;
  for (const auto& key : spec.UniqueKeys()) {
    missing.push_back(spec.MissingIn(key));
  }
  // Of x, b, (i, t) and (s, t).
  EXPECT_THAT(missing, ElementsAre(Missing::kDistinct, Missing::kEqual,
                                   Missing::kEqual, Missing::kDistinct));
  const RefusedCase kCases[] = {
      {"unique: [{missing: distinct}]", "unique[0].fields", "is missing"},
      {"unique: [{fields: [], missing: equal}]", "unique[0].fields",
       "wants a list of fields"},
      {"unique: [{fields: [s], missing: null}]", "unique[0].missing",
       "wants one of equal, distinct"},
      {"unique: [{fields: [s], nulls: distinct}]", "unique[0].nulls",
       "unknown attribute; known: fields, missing"},
      {"unique: [{fields: [s, l]}]", "unique[0].fields[1]", "type strings"},
      {"unique: [[s], {fields: [s], missing: distinct}]", "unique[1]", "twice"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(IndexesTest, AreListsOfFieldsOrMaps) {
  const CollectionSpec spec = Read(
      "indexes: [[s, -t], [-i], [x], [g, r], "
      "{fields: [s, -i], where: 'b = true'}]");
  EXPECT_THAT(spec.indexes,
              ElementsAre(IndexSpec{{{"s", false}, {"t", true}}, ""},
                          IndexSpec{{{"i", true}}, ""},
                          IndexSpec{{{"g", false}, {"r", false}}, ""},
                          IndexSpec{{{"s", false}, {"i", true}}, "b = true"}));
  // An index of one plain field is the field's own.
  EXPECT_TRUE(spec.FindField("x")->indexed);
  EXPECT_FALSE(spec.FindField("s")->indexed);
}

TEST(IndexesTest, RefuseWhatSqliteCannotIndex) {
  const RefusedCase kCases[] = {
      {"indexes: s", "indexes", "wants a list of indexes such as"},
      {"indexes: [s]", "indexes[0]", "wants a list of fields such as"},
      {"indexes: [[]]", "indexes[0]", "is empty"},
      {"indexes: [[s, s]]", "indexes[0][1]", "names the field \"s\" twice"},
      {"indexes: [[s, -s]]", "indexes[0][1]", "names the field \"s\" twice"},
      {"indexes: [[-z]]", "indexes[0][0]", "no field \"z\""},
      {"indexes: [[s, j]]", "indexes[0][1]", "the type json cannot be part"},
      {"indexes: [[l]]", "indexes[0][0]", "the type strings cannot be part"},
      {"indexes: [[s, i], [s, i]]", "indexes[1]", "declares an index twice"},
      {"indexes: [[s], [s]]", "indexes[1]", "declares an index twice"},
      {"indexes: [{where: 'i > 0'}]", "indexes[0].fields", "is missing"},
      {"indexes: [{fields: [s], were: 'i > 0'}]", "indexes[0].were",
       "did you mean \"where\"?"},
      {"indexes: [{fields: [s], where: i >}]", "indexes[0].where", "column"},
      {"indexes: [{fields: [s], where: ''}]", "indexes[0].where",
       "wants a filter in quotes"},
      {"indexes: [{fields: [s], where: t > now}]", "indexes[0].where",
       "uses now"},
      {"indexes: [{fields: [s], where: 'l HAS \"a\"'}]", "indexes[0].where",
       "uses HAS"},
      {"indexes: [{fields: [s], where: j.a = 1}]", "indexes[0].where",
       "looks into a json field; extract"},
      {"indexes: [{fields: [s], where: _version > 1}]", "indexes[0].where",
       "not id or _version"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(ChecksTest, AreFiltersThatDoNotChangeWithTime) {
  EXPECT_THAT(Read("checks: ['i <= i2 OR i IS NULL', 'EXISTS j.a', "
                   "'l HAS \"a\"', 'g != \"x\"']")
                  .checks,
              ElementsAre("i <= i2 OR i IS NULL", "EXISTS j.a", "l HAS \"a\"",
                          "g != \"x\""));
  const RefusedCase kCases[] = {
      {"checks: i > 0", "checks", "wants a list of filters"},
      {"checks: [[i]]", "checks[0]", "wants a filter in quotes"},
      {"checks: ['i > 0', 'i > \"a\"']", "checks[1]", "column"},
      {"checks: ['ii > 0']", "checks[0]", "no field \"ii\""},
      {"checks: ['i > :most']", "checks[0]", "column"},
      {"checks: ['t < now']", "checks[0]", "uses now"},
      {"checks: ['id = \"a\"']", "checks[0]", "not id or _version"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(ExpireTest, SaysWhenOrAfterHowLong) {
  EXPECT_EQ(Read("expire: {field: t}").expire, (ExpireSpec{.field = "t"}));
  EXPECT_EQ(Read("expire: {after: 90d}").expire,
            (ExpireSpec{.after = absl::Hours(24 * 90)}));
  EXPECT_EQ(Read("expire: {after: 1d 2h 3m 4s 5ms, sliding: true}").expire,
            (ExpireSpec{.after = absl::Hours(26) + absl::Minutes(3) +
                                 absl::Seconds(4) + absl::Milliseconds(5),
                        .sliding = true}));
  EXPECT_EQ(Read("expire: {after: 90m}"), Read("expire: {after: 1h30m}"));
  const RefusedCase kCases[] = {
      {"expire: 90d", "expire", "wants a map with some of after, field"},
      {"expire: {}", "expire", "wants either field"},
      {"expire: {field: t, after: 1d}", "expire", "wants either field"},
      {"expire: {field: tt}", "expire.field", "no field \"tt\"; did you mean"},
      {"expire: {field: i}", "expire.field", "only a timestamp says when"},
      {"expire: {field: t, sliding: true}", "expire.sliding", "after only"},
      {"expire: {after: 90}", "expire.after", "units: d, h, m, s, ms"},
      {"expire: {after: 1w}", "expire.after", "wants a duration such as"},
      {"expire: {after: -1d}", "expire.after", "wants a duration such as"},
      {"expire: {after: 1.5d}", "expire.after", "wants a duration such as"},
      {"expire: {after: ~}", "expire.after", "wants a duration such as"},
      {"expire: {after: 99999999999999999999d}", "expire.after", "wants a"},
      {"expire: {after: 9223372036854775807d 1d}", "expire.after", "36500d"},
      {"expire: {after: 0s}", "expire.after", "above 0, at most 36500d"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(SoftDeleteTest, KeepsForeverOrForATime) {
  EXPECT_EQ(Read("").soft_delete, std::nullopt);
  EXPECT_EQ(Read("soft_delete: false").soft_delete, std::nullopt);
  EXPECT_EQ(Read("soft_delete: true").soft_delete, SoftDeleteSpec());
  EXPECT_EQ(Read("soft_delete: {keep: 30d}").soft_delete,
            SoftDeleteSpec{absl::Hours(24 * 30)});
  ExpectRefused({"soft_delete: 30d", "soft_delete", "wants true or false"});
  ExpectRefused({"soft_delete: {for: 3d}", "soft_delete.for", "known: keep"});
  ExpectRefused({"soft_delete: {keep: x}", "soft_delete.keep", "a duration"});
}

TEST(HistoryTest, IsBoundedByVersionsAndTime) {
  EXPECT_EQ(Read("history: false").history, std::nullopt);
  EXPECT_EQ(Read("history: true").history, HistorySpec());
  EXPECT_EQ(Read("history: {versions: 10, keep: 90d}").history,
            (HistorySpec{10, absl::Hours(24 * 90)}));
  ExpectRefused({"history: 10", "history", "wants true or false"});
  ExpectRefused({"history: {versions: 0}", "history.versions", "from 1 to"});
  ExpectRefused({"history: {versions: '5'}", "history.versions", "from 1 to"});
  ExpectRefused({"history: {version: 5}", "history.version", "\"versions\"?"});
}

TEST(TouchTest, SetsFieldsFromTheRecordItself) {
  const CollectionSpec spec = Read(
      "touch: {on: get, set: {t: now, i: \"+1\", d: 'min(d + 0.05, 1.0)'}}");
  ASSERT_TRUE(spec.touch.has_value());
  EXPECT_TRUE(spec.touch->on_get);
  EXPECT_FALSE(spec.touch->on_query);
  EXPECT_THAT(
      spec.touch->set,
      ElementsAre(TouchSpec::Set{"d", "min(d + 0.05, 1.0)"},
                  TouchSpec::Set{"i", "i + 1"}, TouchSpec::Set{"t", "now"}));
  const CollectionSpec both =
      Read("touch: {on: [query, get], set: {i: +i2 * 2}}");
  EXPECT_TRUE(both.touch->on_get && both.touch->on_query);
  EXPECT_EQ(both.touch->set[0].expression, "i + i2 * 2");
}

TEST(TouchTest, RefusesWhatReadingCannotChange) {
  const RefusedCase kCases[] = {
      {"touch: get", "touch", "wants a map with some of on, set"},
      {"touch: {set: {i: +1}}", "touch.on", "is missing"},
      {"touch: {on: write, set: {i: +1}}", "touch.on", "one of get, query"},
      {"touch: {on: [], set: {i: +1}}", "touch.on", "is empty"},
      {"touch: {on: [get, put], set: {i: +1}}", "touch.on[1]", "one of get"},
      {"touch: {on: get}", "touch.set", "wants a map of 1 to 32 fields"},
      {"touch: {on: get, set: {}}", "touch.set", "wants a map of 1 to 32"},
      {"touch: {on: get, set: {z: +1}}", "touch.set.z", "no field \"z\""},
      {"touch: {on: get, set: {i: +1, i: +2}}", "touch.set.i", "given twice"},
      {"touch: {on: get, set: {i: now}}", "touch.set.i", "column"},
      {"touch: {on: get, set: {i: [1]}}", "touch.set.i", "an expression such"},
      {"touch: {on: get, set: {s: '+1'}}", "touch.set.s", "column"},
      {"touch: {on: get, set: {g: s}}", "touch.set.g",
       "is generated; reading cannot change it"},
      {"touch: {on: get, set: {r: s}}", "touch.set.r", "is a ref; reading"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

// Reading writes no outbox entry, no change and no roll-up, so that what these
// are made of would become wrong.
TEST(TouchTest, RefusesFieldsThatOthersAreMadeOf) {
  constexpr char kTouch[] = "\ntouch: {on: get, set: {s: s2}}";
  constexpr char kTouchTime[] = "\ntouch: {on: get, set: {t: now}}";
  constexpr char kTouchCount[] = "\ntouch: {on: get, set: {i: +1}}";
  const std::pair<std::string, const char*> kCases[] = {
      {absl::StrCat("unique: [[s]]", kTouch), "is unique"},
      {absl::StrCat("unique: [[s, i]]", kTouch), "is part of a unique key"},
      {absl::StrCat("full_text: [s]", kTouch), "is searched for words"},
      {absl::StrCat("vectors: {v: {source: [s]}}", kTouch), "is embedded"},
      {absl::StrCat("expire: {field: t}", kTouchTime), "sliding: true"},
      {absl::StrCat("rollups: {parent: r, set: {n: sum(i)}}", kTouchCount),
       "is rolled up"},
  };
  for (const auto& [attributes, problem] : kCases) {
    EXPECT_THAT(
        MistakesOf(Document(attributes)),
        ElementsAre(Pair(StartsWith("touch.set."),
                         AllOf(StartsWith("x.yaml:17:"), HasSubstr(problem)))))
        << attributes;
  }
}

TEST(FullTextTest, IsAListOrWeightedFields) {
  EXPECT_EQ(Read("full_text: [x, s]").full_text,
            (FullTextSpec{{{"x", 1}, {"s", 1}}, "unicode61"}));
  EXPECT_EQ(Read("full_text: {fields: [s]}").full_text,
            (FullTextSpec{{{"s", 1}}, "unicode61"}));
  EXPECT_EQ(
      Read("full_text: {fields: {x: 2.5, s: 1}, tokenizer: porter}").full_text,
      (FullTextSpec{{{"x", 2.5}, {"s", 1}}, "porter"}));
  const RefusedCase kCases[] = {
      {"full_text: x", "full_text", "wants 1 to 32 fields such as"},
      {"full_text: []", "full_text", "wants 1 to 32 fields such as"},
      {"full_text: [y]", "full_text[0]", "no field \"y\""},
      {"full_text: [x, x]", "full_text[1]", "names the field \"x\" twice"},
      {"full_text: [l]", "full_text[0]", "is of type strings; only string"},
      {"full_text: [g]", "full_text[0]", "is generated"},
      {"full_text: {fields: {x: 0}}", "full_text.fields.x", "a weight above 0"},
      {"full_text: {fields: {x: -1}}", "full_text.fields.x", "a weight above"},
      {"full_text: {fields: {x: a}}", "full_text.fields.x", "a weight above 0"},
      {"full_text: {fields: {x: 1, x: 2}}", "full_text.fields.x", "twice"},
      {"full_text: {tokenizer: porter}", "full_text.fields", "is missing"},
      {"full_text: {fields: [x], tokenizer: snowball}", "full_text.tokenizer",
       "wants one of unicode61, porter, trigram"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

// FTS5 would refuse the table.
TEST(FullTextTest, CannotHaveTheNamesOfFts5sOwnColumns) {
  for (const absl::string_view name : {"rank", "rowid"}) {
    EXPECT_THAT(
        MistakesOf(absl::StrCat("collection: c\nfields:\n  ", name,
                                ": {type: text}\nfull_text: [", name, "]\n")),
        ElementsAre(
            Pair("full_text[0]", HasSubstr("a full-text index keeps"))));
  }
}

TEST(RollupsTest, AreOneOrAList) {
  using Function = RollupSpec::Function;
  const CollectionSpec spec = Read(
      "rollups: {parent: r, where: 'b = true AND j.a = 1', set: {n: count, "
      "total: sum(i), first: min( t ), last: max(s)}}");
  EXPECT_THAT(spec.rollups,
              ElementsAre(RollupSpec{"r",
                                     "b = true AND j.a = 1",
                                     {{"first", Function::kMin, "t"},
                                      {"last", Function::kMax, "s"},
                                      {"n", Function::kCount, ""},
                                      {"total", Function::kSum, "i"}}}));
  EXPECT_THAT(Read("rollups: [{parent: r, set: {n: count}}, "
                   "{parent: r2, set: {n: count}}]")
                  .rollups,
              SizeIs(2));
}

TEST(RollupsTest, RefuseWhatCannotBeKept) {
  const RefusedCase kCases[] = {
      {"rollups: r", "rollups", "wants a list such as"},
      {"rollups: [r]", "rollups[0]", "wants a map with some of parent, set"},
      {"rollups: {set: {n: count}}", "rollups.parent", "is missing"},
      {"rollups: {parent: rr, set: {n: count}}", "rollups.parent",
       "no field \"rr\"; did you mean"},
      {"rollups: {parent: s, set: {n: count}}", "rollups.parent",
       "only a ref names the record"},
      {"rollups: [{parent: r}]", "rollups[0].set", "wants a map of 1 to 32"},
      {"rollups: {parent: r, set: {}}", "rollups.set", "wants a map of 1 to"},
      {"rollups: {parent: r, set: {n: counts}}", "rollups.set.n",
       "wants count, sum(field)"},
      {"rollups: {parent: r, set: {n: avg(i)}}", "rollups.set.n",
       "wants count, sum(field)"},
      {"rollups: {parent: r, set: {n: sum(i}}", "rollups.set.n",
       "wants count, sum(field)"},
      {"rollups: {parent: r, set: {n: [count]}}", "rollups.set.n",
       "wants count, sum(field)"},
      {"rollups: {parent: r, set: {N: count}}", "rollups.set.N", "is no name"},
      {"rollups: {parent: r, set: {n: sum(z)}}", "rollups.set.n",
       "no field \"z\""},
      {"rollups: {parent: r, set: {n: sum(s)}}", "rollups.set.n",
       "a field of type string, which the function does not take"},
      {"rollups: {parent: r, set: {n: sum(t)}}", "rollups.set.n",
       "which the function does not take"},
      {"rollups: {parent: r, set: {n: max(l)}}", "rollups.set.n",
       "which the function does not take"},
      {"rollups: {parent: r, set: {n: count, n: sum(i)}}", "rollups.set.n",
       "is given twice"},
      {"rollups: {parent: r, where: t < now, set: {n: count}}", "rollups.where",
       "uses now"},
      {"rollups: {parent: r, where: i, set: {n: count}}", "rollups.where",
       "column"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(EdgesTest, NameTheTwoEndsAndTheKind) {
  EXPECT_EQ(Read("edges: {source: r, target: r2, kind: s}").edges,
            (EdgesSpec{"r", "r2", "s"}));
  EXPECT_EQ(Read("edges: {source: s, target: r}").edges,
            (EdgesSpec{"s", "r", ""}));
  const RefusedCase kCases[] = {
      {"edges: [r, r2]", "edges", "wants a map with some of kind, source"},
      {"edges: {source: r}", "edges.target", "is missing; name the field"},
      {"edges: {source: r, target: q}", "edges.target", "no field \"q\""},
      {"edges: {source: r, target: i}", "edges.target", "wants a ref or a"},
      {"edges: {source: r, target: g}", "edges.target", "is generated"},
      {"edges: {source: r, target: r}", "edges", "the field of source twice"},
      {"edges: {source: r, target: s, kind: s}", "edges", "target twice"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

TEST(VectorsTest, AreEmbeddedOrSupplied) {
  const CollectionSpec spec = Read(
      "vectors: {a: {source: [s, x], template: '{s}: {x} {{}}', dimensions: "
      "384, index: flat, precision: float32, chunking: none, cutover: "
      "manual}, "
      "b: {supplied: true, dimensions: 3, metric: l2, index: auto, precision: "
      "auto}}");
  EXPECT_THAT(spec.vectors,
              ElementsAre(VectorFieldSpec{.name = "a",
                                          .source = {"s", "x"},
                                          .text_template = "{s}: {x} {{}}",
                                          .dimensions = 384,
                                          .index_kind = IndexKind::kFlat,
                                          .precision = Precision::kFloat32,
                                          .cutover = Cutover::kManual},
                          VectorFieldSpec{.name = "b",
                                          .model = "",
                                          .supplied = true,
                                          .dimensions = 3,
                                          .metric = Metric::kL2}));
}

TEST(VectorsTest, AreIndexedWithThePrecisionThatIsAskedFor) {
  const auto precision_of = [](absl::string_view attribute) {
    return Read(absl::StrCat("vectors: {v: {source: [s]", attribute, "}}"))
        .vectors[0]
        .precision;
  };
  EXPECT_EQ(precision_of(""), Precision::kAuto);
  EXPECT_EQ(precision_of(", precision: auto"), Precision::kAuto);
  EXPECT_EQ(precision_of(", precision: float32"), Precision::kFloat32);
  EXPECT_EQ(precision_of(", precision: int8"), Precision::kInt8);
  EXPECT_EQ(precision_of(", precision: int4"), Precision::kInt4);
}

TEST(VectorsTest, AreIndexedInTheWayThatIsAskedFor) {
  const auto kind_of = [](absl::string_view attribute) {
    return Read(absl::StrCat("vectors: {v: {source: [s]", attribute, "}}"))
        .vectors[0]
        .index_kind;
  };
  EXPECT_EQ(kind_of(""), IndexKind::kAuto);
  EXPECT_EQ(kind_of(", index: auto"), IndexKind::kAuto);
  EXPECT_EQ(kind_of(", index: flat"), IndexKind::kFlat);
  EXPECT_EQ(kind_of(", index: hnsw"), IndexKind::kHnsw);
  EXPECT_EQ(kind_of(", index: hnsw, precision: int8"), IndexKind::kHnsw);
}

TEST(VectorsTest, RefuseWhatMakesNoVector) {
  const RefusedCase kCases[] = {
      {"vectors: {v: {supplied: true}}", "vectors.v.dimensions", "is missing"},
      {"vectors: {v: {supplied: true, dimensions: 0}}", "vectors.v.dimensions",
       "from 1 to 65536"},
      {"vectors: {v: {supplied: true, dimensions: 9, source: [s]}}",
       "vectors.v.source", "does not go with supplied: true"},
      {"vectors: {v: {supplied: true, dimensions: 9, model: m}}",
       "vectors.v.model", "does not go with supplied: true"},
      {"vectors: {v: {supplied: true, dimensions: 9, template: t}}",
       "vectors.v.template", "does not go with supplied: true"},
      {"vectors: {v: {supplied: false}}", "vectors.v.source", "is missing"},
      {"vectors: {v: {source: [i]}}", "vectors.v.source", "is of type int"},
      {"vectors: {v: {source: [g]}}", "vectors.v.source", "is generated"},
      {"vectors: {v: {source: [s], template: '{x}'}}", "vectors.v.template",
       "names \"x\", which is no source"},
      {"vectors: {v: {source: [s], template: 's'}}", "vectors.v.template",
       "does not use the source \"s\""},
      {"vectors: {v: {source: [s], template: '{s'}}", "vectors.v.template",
       "leaves a brace open"},
      {"vectors: {v: {source: [s], template: ''}}", "vectors.v.template",
       "wants a text with the sources"},
      {"vectors: {v: {source: [s], index: ivf}}", "vectors.v.index",
       "wants one of auto, flat, hnsw"},
      {"vectors: {v: {source: [s], precision: int8, index: flat}}",
       "vectors.v.precision",
       "int8 does not go with index: flat, which compares the vectors "
       "themselves; remove it, or choose index: hnsw"},
      {"vectors: {v: {source: [s], index: flat, precision: int4}}",
       "vectors.v.precision", "int4 does not go with index: flat"},
      {"vectors: {v: {source: [s], precision: int2}}", "vectors.v.precision",
       "wants one of auto, float32, int8, int4"},
      {"vectors: {v: {supplied: true, dimensions: 9, chunking: tokens}}",
       "vectors.v.chunking", "does not go with supplied: true"},
      {"vectors: {v: {source: [s], cutover: never}}", "vectors.v.cutover",
       "wants one of auto, manual"},
      {"vectors: {v: {source: [s], metric: [l2]}}", "vectors.v.metric",
       "wants one of cosine, dot, l2"},
      {"vectors: {V: {source: [s]}}", "vectors.V", "is no name"},
  };
  for (const RefusedCase& c : kCases) ExpectRefused(c);
}

chunk::Options ReadChunkingOf(const std::string& chunking) {
  const CollectionSpec spec =
      Read(("vectors: {v: {source: [s], chunking: " + chunking + "}}").c_str());
  return spec.vectors.empty() ? chunk::Options() : spec.vectors[0].chunking;
}

TEST(ChunkingTest, IsAWordOrAMapOfOptions) {
  using chunk::Method;
  using chunk::Options;
  EXPECT_EQ(ReadChunkingOf("none"), Options());
  EXPECT_EQ(ReadChunkingOf("{by: none}"), Options());
  const Options tokens = {
      .method = Method::kTokens, .size = 256, .overlap = 32};
  EXPECT_EQ(ReadChunkingOf("tokens"), tokens);
  EXPECT_EQ(ReadChunkingOf("{by: tokens}"), tokens);
  EXPECT_EQ(ReadChunkingOf("{by: tokens, size: 200, overlap: 0}"),
            (Options{.method = Method::kTokens, .size = 200}));
  EXPECT_EQ(ReadChunkingOf("{by: tokens, size: 80}").overlap, 10);
  EXPECT_EQ(ReadChunkingOf("paragraphs"),
            (Options{.method = Method::kParagraphs, .size = 256}));
  EXPECT_EQ(ReadChunkingOf("{by: code, size: 16}"),
            (Options{.method = Method::kCode, .size = 16}));
  const Options markdown = {
      .method = Method::kMarkdown, .size = 256, .headings = true};
  EXPECT_EQ(ReadChunkingOf("markdown"), markdown);
  EXPECT_EQ(ReadChunkingOf("{by: markdown}"), markdown);
  EXPECT_FALSE(ReadChunkingOf("{by: markdown, headings: false}").headings);
}

TEST(ChunkingTest, RefusesWhatItCannotCutBy) {
  const auto refuse = [](const std::string& chunking, const char* path,
                         const char* problem) {
    const std::string text =
        "vectors: {v: {source: [s], chunking: " + chunking + "}}";
    ExpectRefused({text.c_str(), path, problem});
  };
  const char* const kPath = "vectors.v.chunking";
  refuse("sentences", kPath, "wants one of none, tokens, paragraphs, markdown");
  refuse("token", kPath, "did you mean");
  refuse("[tokens]", kPath, "wants one of none");
  refuse("{size: 100}", "vectors.v.chunking.by", "is missing; name one of");
  refuse("{by: lines}", "vectors.v.chunking.by", "wants one of none");
  refuse("{by: tokens, sise: 100}", "vectors.v.chunking.sise", "size");
  refuse("{by: tokens, size: 15}", "vectors.v.chunking.size",
         "wants a whole number from 16 to 8192");
  refuse("{by: tokens, size: 8193}", "vectors.v.chunking.size",
         "wants a whole number from 16 to 8192");
  refuse("{by: tokens, size: 100, overlap: 51}", "vectors.v.chunking.overlap",
         "wants a whole number from 0 to 50");
  refuse("{by: code, overlap: 5}", "vectors.v.chunking.overlap",
         "does not go with by: code; remove one");
  refuse("{by: tokens, headings: true}", "vectors.v.chunking.headings",
         "does not go with by: tokens; remove one");
  refuse("{by: markdown, headings: 5}", "vectors.v.chunking.headings", "true");
  refuse("{by: none, size: 100}", "vectors.v.chunking.size",
         "does not go with by: none; remove one");
}

TEST(CollectionAttributesTest, AreBounded) {
  const auto list = [](int count, absl::string_view element) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&text, i == 0 ? "" : ", ", element);
    }
    return text + "]";
  };
  EXPECT_THAT(Read("checks: " + list(kMaxChecks, "'i > 0'")).checks,
              SizeIs(kMaxChecks));
  const std::string checks = "checks: " + list(kMaxChecks + 1, "'i > 0'");
  ExpectRefused({checks.c_str(), "checks", "has 65 elements; at most 64"});
  const std::string indexes = "indexes: " + list(kMaxIndexes + 1, "[s, i]");
  ExpectRefused({indexes.c_str(), "indexes", "has 65 elements; at most 64"});
  const std::string keys = "unique: " + list(kMaxIndexes + 1, "[s, i]");
  ExpectRefused({keys.c_str(), "unique", "has 65 elements; at most 64"});
  const std::string columns =
      "indexes: [" + list(kMaxIndexColumns + 1, "s") + "]";
  ExpectRefused({columns.c_str(), "indexes[0]", "has 33 elements; at most 32"});
  const std::string rollups =
      "rollups: " + list(kMaxRollups + 1, "{parent: r, set: {n: count}}");
  ExpectRefused({rollups.c_str(), "rollups", "has 17 elements; at most 16"});
}

TEST(CollectionAttributesTest, EveryDifferenceMakesCollectionsDiffer) {
  const char* const kAttributes[] = {
      "",
      "id: sequence",
      "id: required",
      "unique: [[s, t]]",
      "unique: [[s, i]]",
      "unique: [{fields: [s, i], missing: distinct}]",
      "indexes: [[s, t]]",
      "indexes: [[s, -t]]",
      "indexes: [{fields: [s, t], where: i > 0}]",
      "checks: [i > 0]",
      "checks: [i > 1]",
      "expire: {field: t}",
      "expire: {after: 1d}",
      "expire: {after: 1d, sliding: true}",
      "soft_delete: true",
      "soft_delete: {keep: 1d}",
      "history: true",
      "history: {versions: 1}",
      "touch: {on: get, set: {i: +1}}",
      "touch: {on: query, set: {i: +1}}",
      "touch: {on: get, set: {i: +2}}",
      "full_text: [s]",
      "full_text: {fields: {s: 2}}",
      "full_text: {fields: [s], tokenizer: trigram}",
      "rollups: {parent: r, set: {n: count}}",
      "rollups: {parent: r, set: {n: sum(i)}}",
      "edges: {source: r, target: r2}",
      "edges: {source: r, target: r2, kind: s}",
      "vectors: {v: {source: [s]}}",
      "vectors: {v: {source: [s], template: 'a {s}'}}",
      "vectors: {v: {source: [s], dimensions: 3}}",
      "vectors: {v: {supplied: true, dimensions: 3}}",
      "merge: keep",
  };
  for (const char* a : kAttributes) {
    for (const char* b : kAttributes) {
      EXPECT_EQ(Read(a) == Read(b), absl::string_view(a) == b)
          << a << ", " << b;
    }
  }
  EXPECT_EQ(Read("renamed_from: before"), Read(""));
}

}  // namespace
}  // namespace engram::schema
