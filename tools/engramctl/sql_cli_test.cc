#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class SqlCliTest : public testing::CliFixture {
 protected:
  void SetUp() override {
    CreateNotes();
    ASSERT_EQ(
        Engramctl({"import", "notes", "-"},
                  "{\"id\":\"a\",\"title\":\"A, \\\"b\\\"\",\"stars\":1}\n"
                  "{\"id\":\"b\",\"title\":\"\",\"stars\":3}\n"
                  "{\"id\":\"c\",\"title\":\"C\\nc\"}\n"),
        0)
        << errors_;
  }
};

TEST_F(SqlCliTest, PrintsATable) {
  EXPECT_EQ(Engramctl({"sql", "SELECT id, title, stars FROM notes"}), 0)
      << errors_;
  EXPECT_EQ(output_,
            "id  title   stars\n"
            "a   A, \"b\"      1\n"
            "b               3\n"
            "c   C c      NULL\n");
  EXPECT_THAT(errors_, ContainsRegex("^3 rows in [0-9.]+[mu]s\n$"));
  EXPECT_EQ(Engramctl({"sql", "SELECT id FROM notes WHERE stars > 7"}), 0);
  EXPECT_EQ(output_, "id\n");
  EXPECT_THAT(errors_, HasSubstr("0 rows in "));
}

TEST_F(SqlCliTest, ReadsFromStdinWithParameters) {
  EXPECT_EQ(
      Engramctl({"sql", "-", "--param", "n=2", "--param", "t=C\nc"},
                "-- those with many stars\n"
                "SELECT id FROM notes\nWHERE stars > :n OR title = :t;\n"),
      0)
      << errors_;
  EXPECT_EQ(output_, "id\nb\nc\n");
  EXPECT_EQ(Engramctl({"sql", "SELECT :a", "--param", "b=1"}), 1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("parameters.a: is missing"),
                             HasSubstr("parameters.b: is used nowhere")));
}

TEST_F(SqlCliTest, PrintsJsonAndCsv) {
  const std::string sql = "SELECT id, title, stars, id FROM notes";
  EXPECT_EQ(Engramctl({"sql", sql, "--json"}), 0);
  EXPECT_EQ(output_,
            "{\"id\":\"a\",\"title\":\"A, \\\"b\\\"\",\"stars\":1,"
            "\"id_2\":\"a\"}\n"
            "{\"id\":\"b\",\"title\":\"\",\"stars\":3,\"id_2\":\"b\"}\n"
            "{\"id\":\"c\",\"title\":\"C\\nc\",\"stars\":null,"
            "\"id_2\":\"c\"}\n");
  EXPECT_EQ(Engramctl({"sql", sql, "--csv"}), 0);
  EXPECT_EQ(output_,
            "id,title,stars,id\r\n"
            "a,\"A, \"\"b\"\"\",1,a\r\n"
            "b,\"\",3,b\r\n"
            "c,\"C\nc\",,c\r\n");
}

TEST_F(SqlCliTest, SaysWhatIsLeftOut) {
  EXPECT_EQ(Engramctl({"sql", "SELECT id FROM notes", "--max-rows", "2"}), 0);
  EXPECT_EQ(output_, "id\na\nb\n");
  EXPECT_THAT(errors_, AllOf(HasSubstr("the first 2 rows in "),
                             HasSubstr("there are more")));
}

TEST_F(SqlCliTest, ErrorsNameThePlaceAndTheRemedy) {
  EXPECT_EQ(Engramctl({"sql", "SELECT titel FROM notes"}), 1);
  EXPECT_EQ(errors_,
            "error: INVALID_ARGUMENT (FIELD_INVALID)\n"
            "  sql: column 8: no such column: titel\n");
  EXPECT_EQ(Engramctl({"sql", "DELETE FROM notes"}), 1);
  EXPECT_THAT(errors_, HasSubstr("sql: a statement that does more than read"));
  EXPECT_EQ(Engramctl({"sql", "SELECT 1; SELECT 2"}), 1);
  EXPECT_THAT(errors_, HasSubstr("sql: column 11: a second statement"));
  EXPECT_EQ(Engramctl({"--database", "nope", "sql", "SELECT 1"}), 1);
  EXPECT_THAT(errors_, HasSubstr("DATABASE_UNKNOWN"));
}

}  // namespace
}  // namespace engram::engramctl
