#include "services/storage/time_bucket.h"

#include "absl/time/civil_time.h"

namespace engram::storage {
namespace {

constexpr int64_t kMinute = 60'000'000;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kWeek = 7 * kDay;
// 1970 began on a Thursday; the Monday before is three days earlier.
constexpr int64_t kMondayOffset = 3 * kDay;

constexpr absl::CivilDay kEpoch(1970, 1, 1);

// The largest multiple of `length` that is not after `time_us`, which may be
// negative.
int64_t FloorTo(int64_t length, int64_t time_us) {
  const int64_t past = time_us % length;
  return time_us - (past < 0 ? past + length : past);
}

absl::CivilDay DayOf(int64_t time_us) {
  return kEpoch + FloorTo(kDay, time_us) / kDay;
}

int64_t StartOf(absl::CivilDay day) { return (day - kEpoch) * kDay; }

}  // namespace

int64_t BucketStart(v1::TimeBucket bucket, int64_t time_us) {
  switch (bucket) {
    case v1::TIME_BUCKET_MINUTE:
      return FloorTo(kMinute, time_us);
    case v1::TIME_BUCKET_HOUR:
      return FloorTo(kHour, time_us);
    case v1::TIME_BUCKET_DAY:
      return FloorTo(kDay, time_us);
    case v1::TIME_BUCKET_WEEK:
      return FloorTo(kWeek, time_us + kMondayOffset) - kMondayOffset;
    case v1::TIME_BUCKET_MONTH:
      return StartOf(absl::CivilDay(absl::CivilMonth(DayOf(time_us))));
    case v1::TIME_BUCKET_QUARTER: {
      const absl::CivilMonth month(DayOf(time_us));
      return StartOf(absl::CivilDay(month - (month.month() - 1) % 3));
    }
    case v1::TIME_BUCKET_YEAR:
      return StartOf(absl::CivilDay(absl::CivilYear(DayOf(time_us))));
    default:
      return time_us;
  }
}

}  // namespace engram::storage
