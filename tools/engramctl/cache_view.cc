#include "tools/engramctl/cache_view.h"

#include <ostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {

using storage::v1::CacheEntry;
using storage::v1::CacheServiceStatsResponse;

std::string CacheValueText(const google::protobuf::Value& value) {
  if (value.has_string_value()) return value.string_value();
  std::string json;
  json::AppendJson(value, &json);
  return json;
}

JsonObject CacheEntryAsJson(const CacheEntry& entry) {
  JsonObject object;
  object.Text("key", entry.key())
      .Bool("found", true)
      .Value("value", entry.value())
      .Text("category", entry.category())
      .Text("create_time", TimestampText(entry.create_time()));
  if (entry.has_expire_time()) {
    object.Text("expire_time", TimestampText(entry.expire_time()));
  }
  return object.Int("hits", entry.hits());
}

void PrintCacheEntry(const Console& console, const CacheEntry& entry) {
  constexpr int kLabel = 11;
  const auto print = [&](const std::string& label, const std::string& text) {
    std::string name = label;
    for (const std::string& line :
         Wrap(text, console.out_terminal.width - kLabel)) {
      const std::string padding(kLabel - name.size(), ' ');
      console.out << console.Bold(name) << padding << line << "\n";
      name.clear();
    }
  };
  print("key", entry.key());
  print("value", CacheValueText(entry.value()));
  if (!entry.category().empty()) print("category", entry.category());
  print("created", TimestampText(entry.create_time()));
  if (entry.has_expire_time()) {
    print("expires", TimestampText(entry.expire_time()));
  }
  print("hits", WithCommas(entry.hits()));
}

void PrintCacheStatsAsJson(const Console& console,
                           const CacheServiceStatsResponse& stats) {
  std::vector<JsonObject> categories;
  for (const auto& category : stats.categories()) {
    categories.push_back(JsonObject()
                             .Text("category", category.category())
                             .Int("entries", category.entries())
                             .Int("bytes", category.bytes())
                             .Int("hits", category.hits()));
  }
  console.out << JsonObject()
                     .Int("entries", stats.entries())
                     .Int("expired", stats.expired())
                     .Int("bytes", stats.bytes())
                     .Int("max_bytes", stats.max_bytes())
                     .Int("hits", stats.hits())
                     .Int("misses", stats.misses())
                     .Int("evictions", stats.evictions())
                     .Int("leases", stats.leases())
                     .Int("waiting", stats.waiting())
                     .List("categories", categories)
                     .ToString()
              << "\n";
}

void PrintCacheStats(const Console& console,
                     const CacheServiceStatsResponse& stats) {
  const int64_t reads = stats.hits() + stats.misses();
  console.out << "entries    " << WithCommas(stats.entries()) << " (and "
              << WithCommas(stats.expired()) << " expired)\n"
              << "size       " << HumanBytes(stats.bytes()) << " of "
              << HumanBytes(stats.max_bytes()) << "\n"
              << "reads      " << WithCommas(stats.hits()) << " hits, "
              << WithCommas(stats.misses()) << " misses";
  if (reads > 0) {
    console.out << " (" << stats.hits() * 100 / reads << " % hits)";
  }
  console.out << " since storage started\n"
              << "evicted    " << WithCommas(stats.evictions()) << "\n"
              << "leases     " << WithCommas(stats.leases()) << ", "
              << WithCommas(stats.waiting()) << " calls waiting\n";
  using Align = Table::Align;
  Table table({{"CATEGORY"},
               {"ENTRIES", Align::kRight},
               {"SIZE", Align::kRight},
               {"HITS", Align::kRight}});
  for (const auto& category : stats.categories()) {
    table.AddRow({category.category().empty() ? "(none)" : category.category(),
                  WithCommas(category.entries()), HumanBytes(category.bytes()),
                  WithCommas(category.hits())});
  }
  if (table.empty()) return;
  console.out << "\n";
  PrintTable(console, table);
}

}  // namespace engram::engramctl
