#include "services/storage/time_bucket.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/time/time.h"
#include "libs/schema/field_value.h"

namespace engram::storage {
namespace {

int64_t Micros(const std::string& time) {
  absl::Time parsed;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, time, &parsed, &error))
      << time << ": " << error;
  return absl::ToUnixMicros(parsed);
}

struct Case {
  std::string time;
  v1::TimeBucket bucket;
  std::string start;
};

TEST(TimeBucketTest, BeginsWithTheFirstInstantOfTheUtcInterval) {
  const Case cases[] = {
      {"2026-02-03T04:05:06.789Z", v1::TIME_BUCKET_UNSPECIFIED,
       "2026-02-03T04:05:06.789Z"},
      {"2026-02-03T04:05:06.789Z", v1::TIME_BUCKET_MINUTE,
       "2026-02-03T04:05:00Z"},
      {"2026-02-03T04:05:06.789Z", v1::TIME_BUCKET_HOUR,
       "2026-02-03T04:00:00Z"},
      {"2026-02-03T23:59:59.999999Z", v1::TIME_BUCKET_DAY,
       "2026-02-03T00:00:00Z"},
      {"2026-02-03T00:00:00Z", v1::TIME_BUCKET_DAY, "2026-02-03T00:00:00Z"},
      // Sundays end a week, Mondays begin one, whatever the year.
      {"2026-02-08T23:59:59Z", v1::TIME_BUCKET_WEEK, "2026-02-02T00:00:00Z"},
      {"2026-02-09T00:00:00Z", v1::TIME_BUCKET_WEEK, "2026-02-09T00:00:00Z"},
      {"2027-01-01T12:00:00Z", v1::TIME_BUCKET_WEEK, "2026-12-28T00:00:00Z"},
      {"2024-02-29T12:00:00Z", v1::TIME_BUCKET_MONTH, "2024-02-01T00:00:00Z"},
      {"2026-12-31T23:59:59Z", v1::TIME_BUCKET_MONTH, "2026-12-01T00:00:00Z"},
      {"2026-03-31T00:00:00Z", v1::TIME_BUCKET_QUARTER, "2026-01-01T00:00:00Z"},
      {"2026-04-01T00:00:00Z", v1::TIME_BUCKET_QUARTER, "2026-04-01T00:00:00Z"},
      {"2026-12-31T00:00:00Z", v1::TIME_BUCKET_QUARTER, "2026-10-01T00:00:00Z"},
      {"2024-02-29T12:00:00Z", v1::TIME_BUCKET_YEAR, "2024-01-01T00:00:00Z"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(BucketStart(one.bucket, Micros(one.time)), Micros(one.start))
        << one.time << " in " << v1::TimeBucket_Name(one.bucket);
  }
}

TEST(TimeBucketTest, RoundsDownBefore1970Too) {
  const Case cases[] = {
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_MINUTE,
       "1969-12-31T23:59:00Z"},
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_HOUR, "1969-12-31T23:00:00Z"},
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_DAY, "1969-12-31T00:00:00Z"},
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_WEEK, "1969-12-29T00:00:00Z"},
      {"1969-12-28T23:59:59.5Z", v1::TIME_BUCKET_WEEK, "1969-12-22T00:00:00Z"},
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_MONTH, "1969-12-01T00:00:00Z"},
      {"1900-03-01T00:00:00Z", v1::TIME_BUCKET_QUARTER, "1900-01-01T00:00:00Z"},
      {"1969-12-31T23:59:59.5Z", v1::TIME_BUCKET_YEAR, "1969-01-01T00:00:00Z"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(BucketStart(one.bucket, Micros(one.time)), Micros(one.start))
        << one.time << " in " << v1::TimeBucket_Name(one.bucket);
  }
}

TEST(TimeBucketTest, StaysWithinTheYearsThatTimestampsHave) {
  for (int bucket = v1::TIME_BUCKET_MINUTE; bucket <= v1::TIME_BUCKET_YEAR;
       ++bucket) {
    for (const int64_t time : {schema::kMinTimestamp, schema::kMaxTimestamp}) {
      const int64_t start =
          BucketStart(static_cast<v1::TimeBucket>(bucket), time);
      EXPECT_GE(start, schema::kMinTimestamp) << bucket;
      EXPECT_LE(start, time) << bucket;
    }
  }
}

}  // namespace
}  // namespace engram::storage
