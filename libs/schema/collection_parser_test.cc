#include "libs/schema/collection_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/schema/testing/mistakes.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::schema::testing::FieldDocument;
using ::engram::schema::testing::MistakesOf;
using ::engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

TEST(CollectionParserTest, ReadsEverythingADocumentDeclares) {
  ASSERT_OK_AND_ASSIGN(const CollectionSpec spec, ParseCollection("", R"(
# A comment.
collection: memories
fields:
  content:    {type: text, required: true, max_length: 1000}
  kind:       {type: string, one_of: [fact, preference], default: fact, index: true}
  importance: {type: double, min: 0, max: 1, default: 0.5}
  count:      {type: int, default: 9007199254740993}
  seen:       {type: timestamp, default: 2026-01-01T00:00:00Z, unique: true}
  active:     {type: bool, default: true}
  tags:       {type: strings, default: [a, 5]}
  extra:      {type: json, default: {b: [1, true, null, "2"], a: x}}
  icon:       {type: bytes, default: "AP8="}
unique: [[kind, content], [count]]
vectors:
  content: {source: [content, kind], model: builtin/m, metric: dot}
  all:     {source: [kind]}
)"));
  EXPECT_EQ(spec.name, "memories");
  ASSERT_EQ(spec.fields.size(), 9);
  EXPECT_EQ(spec.fields[0], (FieldSpec{.name = "content",
                                       .type = FieldType::kText,
                                       .required = true,
                                       .max_length = 1000}));
  EXPECT_EQ(spec.fields[1], (FieldSpec{.name = "kind",
                                       .default_value = "fact",
                                       .indexed = true,
                                       .one_of = {"fact", "preference"}}));
  EXPECT_EQ(spec.fields[2], (FieldSpec{.name = "importance",
                                       .type = FieldType::kDouble,
                                       .default_value = 0.5,
                                       .min = 0.0,
                                       .max = 1.0}));
  EXPECT_EQ(spec.fields[3],
            (FieldSpec{.name = "count",
                       .type = FieldType::kInt,
                       .default_value = int64_t{9007199254740993},
                       .unique = true}));
  EXPECT_EQ(spec.fields[4],
            (FieldSpec{.name = "seen",
                       .type = FieldType::kTimestamp,
                       .default_value = int64_t{1767225600000000},
                       .unique = true}));
  EXPECT_EQ(spec.fields[5].default_value, FieldValue(int64_t{1}));
  EXPECT_EQ(spec.fields[6].default_value, FieldValue(R"(["a","5"])"));
  EXPECT_EQ(spec.fields[7].default_value,
            FieldValue(R"({"a":"x","b":[1,true,null,"2"]})"));
  EXPECT_EQ(spec.fields[8].default_value, FieldValue(Blob{{"\0\xff", 2}}));
  EXPECT_THAT(spec.unique, ElementsAre(ElementsAre("content", "kind")));
  EXPECT_THAT(spec.UniqueKeys(),
              ElementsAre(ElementsAre(3), ElementsAre(4), ElementsAre(0, 1)));
  EXPECT_THAT(spec.vectors,
              ElementsAre(VectorFieldSpec{.name = "all", .source = {"kind"}},
                          VectorFieldSpec{.name = "content",
                                          .source = {"content", "kind"},
                                          .model = "builtin/m",
                                          .metric = Metric::kDot}));
  EXPECT_EQ(spec.FindField("kind"), &spec.fields[1]);
  EXPECT_EQ(spec.FindField("knid"), nullptr);
  EXPECT_EQ(spec.FieldIndex("knid"), -1);
  EXPECT_EQ(spec.FindVector("all"), &spec.vectors[0]);
  EXPECT_EQ(spec.FindVector("none"), nullptr);
}

TEST(CollectionParserTest, ReadsDocumentsThatMarkTheirBeginAndEnd) {
  const std::string document = FieldDocument("type: string, default: \"...\"");
  for (const char* begin : {"", "---\n", "%YAML 1.2\n---\n", "\xef\xbb\xbf"}) {
    for (const char* end : {"", "...\n", "...", "\n\n# the end"}) {
      EXPECT_OK(ParseCollection("", absl::StrCat(begin, document, end)))
          << begin << end;
    }
  }
}

TEST(CollectionParserTest, ReadsTheExampleThatShips) {
  std::ifstream file(EXAMPLE_SCHEMA);
  ASSERT_TRUE(file.is_open());
  std::stringstream yaml;
  yaml << file.rdbuf();
  ASSERT_OK_AND_ASSIGN(const CollectionSpec spec,
                       ParseCollection("debian-packages.yaml", yaml.str()));
  EXPECT_EQ(spec.name, "packages");
  EXPECT_EQ(spec.vectors.size(), 1);
}

TEST(CollectionParserTest, DocumentsThatDeclareTheSameAreEqual) {
  ASSERT_OK_AND_ASSIGN(const CollectionSpec a, ParseCollection("a", R"(
collection: c
fields:
  x: {type: int, default: 5, unique: true}
  y: {type: string, one_of: [p, q]}
unique: [[x, y]]
vectors: {u: {source: [y]}, v: {source: [y], metric: l2}}
)"));
  ASSERT_OK_AND_ASSIGN(const CollectionSpec b, ParseCollection("b", R"(
# Another order, other words for the defaults.
vectors:
  v: {metric: l2, model: default, source: ["y"]}
  u: {source: [y], metric: cosine}
unique:
- [y, x]
- [x]
fields:
  y:
    type: 'string'
    one_of: [q, p]
    required: false
  x: {default: +5, type: int}
collection: c
)"));
  EXPECT_EQ(a, b);
}

TEST(CollectionParserTest, DocumentsThatDifferAnywhereAreNotEqual) {
  constexpr char kBase[] =
      "{collection: c, fields: {x: {type: string}, y: {type: string}}, "
      "unique: [[x, y]], vectors: {v: {source: [x, y]}}}";
  const CollectionSpec base = *ParseCollection("", kBase);
  const char* const kOthers[] = {
      "{collection: d, fields: {x: {type: string}, y: {type: string}}, "
      "unique: [[x, y]], vectors: {v: {source: [x, y]}}}",
      "{collection: c, fields: {x: {type: text}, y: {type: string}}, "
      "unique: [[x, y]], vectors: {v: {source: [x, y]}}}",
      "{collection: c, fields: {x: {type: string, max_length: 5}, y: {type: "
      "string}}, unique: [[x, y]], vectors: {v: {source: [x, y]}}}",
      "{collection: c, fields: {x: {type: string}, y: {type: string}}, "
      "vectors: {v: {source: [x, y]}}}",
      // The order of the source is the order of the embedded text.
      "{collection: c, fields: {x: {type: string}, y: {type: string}}, "
      "unique: [[x, y]], vectors: {v: {source: [y, x]}}}",
  };
  for (const char* other : kOthers) {
    ASSERT_OK_AND_ASSIGN(const CollectionSpec spec, ParseCollection("", other));
    EXPECT_FALSE(spec == base) << other;
  }
}

TEST(CollectionParserTest, ReportsEveryMistakeWithItsPlace) {
  EXPECT_THAT(
      MistakesOf(R"(collection: Bad
fields:
  kind: {type: string, indx: true}
  size: {type: integer}
  id:   {type: string}
  more: 5
unique: [[kind, siez]]
vectors:
  v: {source: [kindd], metric: cosin}
extra: 1
)"),
      ElementsAre(
          Pair("extra",
               StartsWith("x.yaml:10:1: unknown attribute; known: checks, "
                          "collection, edges")),
          Pair("collection", StartsWith("x.yaml:1:13: is no name")),
          Pair("fields.kind.indx",
               AllOf(StartsWith("x.yaml:3:24: unknown attribute; known: "),
                     EndsWith("; did you mean \"index\"?"))),
          Pair("fields.size.type",
               StartsWith("x.yaml:4:16: is no type; known: string, text, int")),
          Pair("fields.id", StartsWith("x.yaml:5:3: every record has an id")),
          Pair("fields.more", StartsWith("x.yaml:6:9: wants a map")),
          Pair("unique[0][1]",
               "x.yaml:7:17: no field \"siez\"; did you mean \"size\"?"),
          Pair("vectors.v.source[0]",
               "x.yaml:9:16: no field \"kindd\"; did you mean \"kind\"?"),
          Pair("vectors.v.metric",
               "x.yaml:9:32: wants one of cosine, dot, l2; did you mean "
               "\"cosine\"?")));
}

TEST(CollectionParserTest, MistakesOfARequestCarryThePathOfTheDocument) {
  FieldViolations violations;
  EXPECT_FALSE(
      ParseCollection("a", "collection: [", "documents[0]", violations));
  EXPECT_FALSE(ParseCollection("", FieldDocument("type: x"), "documents[2]",
                               violations));
  EXPECT_TRUE(ParseCollection("c", FieldDocument("type: int"), "documents[3]",
                              violations));
  EXPECT_THAT(
      MistakesOf(violations.ToStatus()),
      ElementsAre(
          Pair("documents[0]", HasSubstr("a:1:14: malformed YAML")),
          Pair("documents[2].fields.f.type", StartsWith("schema:3:13:"))));
}

TEST(CollectionParserTest, RefusesDocumentsThatMakeNoSense) {
  struct Case {
    const char* yaml;
    const char* path;
    const char* problem;
  };
  const Case kCases[] = {
      {"", "yaml", "x.yaml:1:1: the document is empty"},
      {"# nothing", "yaml", "the document is empty"},
      {"[1]", "yaml", "wants a map with some of checks, collection"},
      {"fields: {f: {type: int}}", "collection", "is missing"},
      {"collection: c", "fields", "is missing"},
      {"{collection: c, fields: {}}", "fields", "declares 0 fields; 1 to 256"},
      {"{collection: c, fields: []}", "fields", "wants a map such as"},
      {"{collection: c, fields: {F: {type: int}}}", "fields.F", "is no name"},
      {"{collection: c, fields: {_f: {type: int}}}", "fields._f", "is no name"},
      {"{collection: c, fields: {f: {type: int}, f: {type: int}}}", "fields.f",
       "is declared twice"},
      {"{collection: sqlite_x, fields: {f: {type: int}}}", "collection",
       "which SQLite keeps"},
      {"{collection: [c], fields: {f: {type: int}}}", "collection",
       "is no name"},
      {"{collection: c, collection: d, fields: {f: {type: int}}}", "collection",
       "is given twice"},
      {"{collection: c, fields: {f: {type: int}}, unique: f}", "unique",
       "wants a list of keys"},
      {"{collection: c, fields: {f: {type: int}}, unique: [f]}", "unique[0]",
       "wants a list of fields"},
      {"{collection: c, fields: {f: {type: int}}, unique: [[f, f]]}",
       "unique[0][1]", "twice"},
      {"{collection: c, fields: {f: {type: int, unique: true}}, unique: [[f]]}",
       "unique[0]", "declares a unique key twice"},
      {"{collection: c, fields: {f: {type: json}}, unique: [[f]]}",
       "unique[0][0]", "cannot be part of a unique key"},
      {"{collection: c, fields: {f: {type: int}}, vectors: {v: {source: [f]}}}",
       "vectors.v.source", "only string, text and strings are"},
      {"{collection: c, fields: {f: {type: text}}, vectors: {v: {}}}",
       "vectors.v.source", "is missing"},
      {"{collection: c, fields: {f: {type: text}}, vectors: {v: {source: []}}}",
       "vectors.v.source", "wants a list of fields"},
      {"{collection: c, fields: {f: {type: text}}, vectors: {v: {source: [f], "
       "model: []}}}",
       "vectors.v.model", "a model's name"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(MistakesOf(c.yaml),
                ElementsAre(Pair(c.path, HasSubstr(c.problem))))
        << c.yaml;
  }
}

TEST(CollectionParserTest, MalformedYamlIsReportedWithLineAndColumn) {
  struct Case {
    std::string yaml;
    const char* problem;
  };
  const std::string nested =
      absl::StrCat("a: ", std::string(100, '['), std::string(100, ']'));
  const Case cases[] = {
      {"collection: c\nfields: {a: [}", "x.yaml:2:14: malformed YAML"},
      {"a: b: c", "x.yaml:1:5: malformed YAML"},
      {"a: 1\nb: [1,\n  2\n\n", "x.yaml:3:4: malformed YAML: end of sequence"},
      {"a: 'x", "x.yaml:1:6: malformed YAML"},
      {"a: 'x\n  y\n", "malformed YAML"},
      {"a: \"x\n  y\n", "malformed YAML"},
      {"a: \"\\q\"", "malformed YAML"},
      {"\tcollection: c", "malformed YAML"},
      {"a: 1\n--- \nb: 2", "x.yaml:2:1: a second document begins"},
      {"a: &x 1", "anchors are not supported"},
      {"a: *x", "x.yaml:1:4:"},
      {"a: !!binary AAAA", "x.yaml:1:4: tags are not supported"},
      {"a: !t [1]", "tags are not supported"},
      {"[a]: b", "a key must be a name"},
      {"? {a: b}\n: c", "a key must be a name"},
      {"~: b", "a key must be a name"},
      {"a: 1\nb: \xff", "x.yaml:2:1: the line is not valid UTF-8"},
      {std::string("a: 1\nb: \0", 9), "x.yaml:2:4: a control character"},
      {nested, "nests deeper than 24 levels"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(MistakesOf(c.yaml),
                ElementsAre(Pair("yaml", HasSubstr(c.problem))))
        << c.yaml;
  }
}

TEST(CollectionParserTest, BoundsWhatADocumentMayDeclare) {
  const auto with_fields = [](int count, absl::string_view rest) {
    std::string yaml = "collection: c\nfields:\n";
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&yaml, "  f", i, ": {type: text}\n");
    }
    return absl::StrCat(yaml, rest);
  };
  EXPECT_OK(ParseCollection("", with_fields(kMaxFields, "")));
  EXPECT_THAT(ParseCollection("", with_fields(kMaxFields + 1, "")),
              StatusIs(absl::StatusCode::kInvalidArgument, "257 fields"));

  std::string vectors = "vectors:\n";
  for (int i = 0; i < kMaxVectorFields; ++i) {
    absl::StrAppend(&vectors, "  v", i, ": {source: [f0]}\n");
  }
  EXPECT_OK(ParseCollection("", with_fields(1, vectors)));
  vectors += "  more: {source: [f0]}\n";
  EXPECT_THAT(ParseCollection("", with_fields(1, vectors)),
              StatusIs(absl::StatusCode::kInvalidArgument, "17 vector fields"));

  const std::string longest(kMaxNameLength, 'n');
  const std::string rest = ", fields: {f: {type: int}}}";
  EXPECT_OK(ParseCollection("", "{collection: " + longest + rest));
  EXPECT_THAT(ParseCollection("", "{collection: n" + longest + rest),
              StatusIs(absl::StatusCode::kInvalidArgument, "is no name"));

  const std::string comment = "\n#" + std::string(kMaxDocumentBytes, 'x');
  EXPECT_THAT(ParseCollection("", FieldDocument("type: int") + comment),
              StatusIs(absl::StatusCode::kInvalidArgument, "at most 1048576"));
}

// Text that a careless reader recurses on, copies again and again, or expands.
TEST(CollectionParserTest, HostileDocumentsAreRefusedQuickly) {
  const auto repeat = [](absl::string_view part) {
    std::string text;
    while (text.size() + part.size() <= kMaxDocumentBytes) {
      text.append(part.data(), part.size());
    }
    return text;
  };
  std::string names = "{collection: c, fields: {a: {type: text}}, unique: [[";
  names += repeat("zzzzzzzz, ").substr(0, kMaxDocumentBytes - 100) + "a]]}";
  EXPECT_THAT(ParseCollection("", names),
              StatusIs(absl::StatusCode::kInvalidArgument, "more"));
  for (const absl::string_view part :
       {"[",        "{",    "{a: ", "- ",    "? ",     "&a ", "*a ",
        "!",        "\"",   "'",    "|\n",   "%",      "a",   "a ",
        "a: ",      "[a, ", "\n",   "---\n", "a: 1\n", ": ",  "{a: 1}\n",
        "\xc3\xa4", "[]",   "{},",  "#\n",   "? a\n"}) {
    const std::string yaml = repeat(part);
    const std::clock_t start = std::clock();  // Of processor time.
    EXPECT_THAT(ParseCollection("", yaml),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << part;
    // A second or so under sanitizers; a quadratic reader takes minutes.
    EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 30) << part;
  }
}

// Many attributes, each as costly to check as it can be made.
TEST(CollectionParserTest, HostileExpressionsAreRefusedQuickly) {
  const std::string name(kMaxNameLength - 3, 'x');
  const auto document = [&](absl::string_view attribute) {
    std::string yaml = "collection: c\nfields:\n";
    for (int i = 0; i < kMaxFields; ++i) {
      absl::StrAppend(&yaml, "  ", name, i, ": {type: string, ", attribute,
                      "}\n");
    }
    return yaml;
  };
  std::string sum = "a";
  while (sum.size() < 3500) absl::StrAppend(&sum, " + a");
  std::string list = name + "0 IN (";
  while (list.size() < 30'000) absl::StrAppend(&list, "\"aaaa\", ");
  std::string checks = "checks:\n";
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&checks, "- '", list, "\"b\") AND ", name, "9'\n");
  }
  const std::string documents[] = {
      document("merge: " + name + "zz"),
      document("merge: '" + sum + "'"),
      document("generated: '" + sum + "'"),
      document("extract: " + name + "zz.a"),
      document("pattern: '((((x{99}){99}){99}){99})'"),
      document("pattern: '" + std::string(900, '(') + "'"),
      document("index: true") + checks,
  };
  for (const std::string& yaml : documents) {
    ASSERT_LT(yaml.size(), kMaxDocumentBytes);
    const std::clock_t start = std::clock();
    EXPECT_THAT(ParseCollection("", yaml),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 30)
        << yaml.substr(0, 200);
  }
}

}  // namespace
}  // namespace engram::schema
