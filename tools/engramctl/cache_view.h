// Entries and figures of caches as people and programs read them.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_CACHE_VIEW_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CACHE_VIEW_H_

#include <string>

#include "engram/storage/v1/cache.pb.h"
#include "google/protobuf/struct.pb.h"
#include "tools/engramctl/console.h"
#include "tools/engramctl/json_object.h"

namespace engram::engramctl {

// A string as it is, the rest as JSON.
std::string CacheValueText(const google::protobuf::Value& value);

JsonObject CacheEntryAsJson(const storage::v1::CacheEntry& entry);

// One field a paragraph, indented beside its name.
void PrintCacheEntry(const Console& console,
                     const storage::v1::CacheEntry& entry);

void PrintCacheStatsAsJson(const Console& console,
                           const storage::v1::CacheServiceStatsResponse& stats);
void PrintCacheStats(const Console& console,
                     const storage::v1::CacheServiceStatsResponse& stats);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CACHE_VIEW_H_
