#ifndef ENGRAM_SERVICES_STORAGE_TIME_BUCKET_H_
#define ENGRAM_SERVICES_STORAGE_TIME_BUCKET_H_

#include <cstdint>

#include "engram/storage/v1/record.pb.h"

namespace engram::storage {

// The first instant of the UTC interval that the time, of the years 1 to 9999,
// lies in; both in microseconds since 1970. The time itself if no interval is
// stated.
int64_t BucketStart(v1::TimeBucket bucket, int64_t time_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TIME_BUCKET_H_
