#include "libs/schema/held_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Held(const std::string& yaml) {
  const auto spec = ParseCollection("notes", yaml);
  EXPECT_OK(spec);
  std::vector<std::string> names;
  if (!spec.ok()) return names;
  for (const int place : HeldFields(*spec)) {
    names.push_back(spec->fields[place].name);
  }
  return names;
}

constexpr char kNotes[] = R"(
collection: notes
fields:
  body: {type: text, index: true}
  kind: {type: string, index: true}
  stars: {type: int, unique: true}
  author: {type: string}
  page: {type: int}
  due: {type: timestamp}
  rank: {type: double}
  tags: {type: strings, index: true}
  seen: {type: int, index: true}
  done: {type: bool}
unique: [[author, page]]
indexes:
  - [due, rank]
)";

TEST(HeldFieldsTest, AreThoseThatLeadAnIndex) {
  EXPECT_THAT(Held(absl::StrCat(kNotes, "vectors: {body: {source: [body]}}")),
              ElementsAre("kind", "stars", "author", "due", "tags", "seen"));
}

TEST(HeldFieldsTest, AreNoneWhereNothingIsSearched) {
  EXPECT_THAT(Held(kNotes), IsEmpty());
}

TEST(HeldFieldsTest, AreNotThoseThatReadsChange) {
  EXPECT_THAT(Held(R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  seen: {type: int, index: true}
  heat: {type: int, generated: seen * 2, index: true}
touch: {on: get, set: {seen: "+1"}}
vectors: {body: {source: [body]}}
)"),
              ElementsAre("kind"));
  EXPECT_THAT(Held(R"(
collection: notes
fields:
  body: {type: text}
  stars: {type: int}
  heat: {type: int, generated: stars * 2, index: true}
vectors: {body: {source: [body]}}
)"),
              ElementsAre("heat"));
}

}  // namespace
}  // namespace engram::schema
