#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class JobsCliTest : public testing::CliFixture {};

TEST_F(JobsCliTest, AddsShowsAndListsJobs) {
  EXPECT_EQ(Engramctl({"jobs", "enqueue", "images", R"({"image": 7})", "--key",
                       "metadata-7", "--priority", "5", "--keep", "10m"}),
            0);
  EXPECT_EQ(output_, "added      1\n");
  EXPECT_EQ(
      Engramctl({"jobs", "enqueue", "images", "--key", "metadata-7", "--json"}),
      0);
  EXPECT_EQ(output_, "{\"id\":1,\"existed\":true}\n");
  EXPECT_EQ(Engramctl({"jobs", "enqueue", "mail", "--after", "1"}), 0);

  EXPECT_EQ(Engramctl({"jobs", "show", "1"}), 0);
  EXPECT_THAT(output_, StartsWith("id         1\n"
                                  "queue      images\n"
                                  "state      ready\n"
                                  "attempt    0, at most 3 failures\n"
                                  "priority   5\n"
                                  "key        metadata-7\n"
                                  "payload    {\"image\":7}\n"));
  EXPECT_EQ(Engramctl({"jobs", "show", "1", "--json"}), 0);
  EXPECT_THAT(output_, HasSubstr(R"("payload":{"image":7},"priority":5)"));
  EXPECT_THAT(output_, HasSubstr(R"("keep_seconds":600)"));

  EXPECT_EQ(Engramctl({"jobs", "list"}), 0);
  EXPECT_THAT(output_, StartsWith("ID  QUEUE   STATE    ATTEMPT  KEY"));
  EXPECT_THAT(output_,
              ContainsRegex("\n 2  mail    blocked      0/3 .*after 1"));
  EXPECT_EQ(
      Engramctl({"jobs", "list", "images", "--state", "ready,dead", "--json"}),
      0);
  EXPECT_THAT(output_, StartsWith(R"({"id":1,"state":"ready")"));
  EXPECT_THAT(output_, Not(HasSubstr("payload")));
}

TEST_F(JobsCliTest, StatsAreADashboard) {
  Engramctl({"jobs", "enqueue", "images"});
  Engramctl({"jobs", "enqueue", "images", "--delay", "1h"});
  EXPECT_EQ(Engramctl({"jobs", "pause", "mail"}), 0);
  EXPECT_EQ(output_, "paused     mail\n");
  EXPECT_EQ(Engramctl({"jobs", "stats"}), 0);
  EXPECT_THAT(output_, ContainsRegex("^QUEUE +READY +OLDEST +SCHEDULED"));
  EXPECT_THAT(output_, ContainsRegex("\nimages +1 +[0-9.ms]+ +1 +0 +0 +0 +2 "));
  EXPECT_THAT(output_, HasSubstr("\nmail (p"));
  EXPECT_THAT(output_, HasSubstr("of the last 1h"));
  EXPECT_EQ(Engramctl({"jobs", "stats", "images", "--json", "--window", "5m"}),
            0);
  EXPECT_THAT(output_, StartsWith(R"({"queue":"images","paused":false,)"
                                  R"("ready":1,"scheduled":1)"));
  EXPECT_THAT(output_, HasSubstr(R"("enqueued":2)"));
  EXPECT_EQ(Engramctl({"jobs", "resume", "mail", "--json"}), 0);
  EXPECT_EQ(output_, "{\"queue\":\"mail\",\"paused\":false}\n");
}

TEST_F(JobsCliTest, CancelsAndRetries) {
  Engramctl({"jobs", "enqueue", "q"});
  Engramctl({"jobs", "enqueue", "q", "--after", "1"});
  EXPECT_EQ(Engramctl({"jobs", "cancel", "1"}), 0);
  EXPECT_EQ(output_, "cancelled  2\n");
  EXPECT_EQ(Engramctl({"jobs", "retry", "1", "2"}), 0);
  EXPECT_EQ(output_, "retried    2\n");
  EXPECT_EQ(Engramctl({"jobs", "retry", "--queue", "q", "--json"}), 0);
  EXPECT_EQ(output_, "{\"retried\":0}\n");
}

TEST_F(JobsCliTest, MistakesAreExplained) {
  EXPECT_EQ(Engramctl({"jobs", "enqueue", "Q"}), 1);
  EXPECT_THAT(errors_, HasSubstr("jobs[0].queue"));
  EXPECT_EQ(Engramctl({"jobs", "enqueue", "q", "{"}), 1);
  EXPECT_THAT(errors_, HasSubstr("the payload"));
  EXPECT_EQ(Engramctl({"jobs", "enqueue", "q", "--delay", "soon"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--delay wants a duration"));
  EXPECT_EQ(Engramctl({"jobs", "list", "--state", "lost"}), 1);
  EXPECT_THAT(errors_, HasSubstr("give ready, scheduled"));
  EXPECT_EQ(Engramctl({"jobs", "show", "99"}), 1);
  EXPECT_THAT(errors_, HasSubstr("there is no job 99"));
  EXPECT_EQ(Engramctl({"jobs", "retry"}), 1);
  EXPECT_THAT(errors_, HasSubstr("or a queue"));
  EXPECT_EQ(Engramctl({"jobs"}), 2);
}

}  // namespace
}  // namespace engram::engramctl
