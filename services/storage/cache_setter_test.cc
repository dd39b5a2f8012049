#include "services/storage/cache_setter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "google/protobuf/util/time_util.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/cache_deleter.h"
#include "services/storage/cache_eviction.h"
#include "services/storage/cache_reader.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::google::protobuf::util::TimeUtil;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TestDatabase;
using testing::ViolationsOf;

constexpr char kTexts[] = R"(
collection: texts
fields:
  value:      {type: text, max_length: 8}
  expires_at: {type: timestamp}
expire: {field: expires_at}
)";

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What a Set may say besides key and value.
struct SetOptions {
  std::string collection;
  std::string category;
  absl::Duration ttl = absl::InfiniteDuration();
};

class CacheSetterTest : public ::testing::Test {
 protected:
  static constexpr int64_t kMaxBytes = 100'000;

  static Database::Options SmallCache() {
    Database::Options options;
    options.max_cache_bytes = kMaxBytes;
    return options;
  }

  Database& database() { return db_.database(); }

  static WhereCall Call() {
    return {.run = [](absl::AnyInvocable<void()> work) {
      // Not on the writer's thread, from where some of it comes.
      std::thread(std::move(work)).detach();
      return absl::OkStatus();
    }};
  }

  absl::StatusOr<v1::SetResponse> Set(const std::string& key,
                                      const std::string& json,
                                      const SetOptions& options = {}) {
    v1::SetRequest request;
    request.set_collection(options.collection);
    request.mutable_entry()->set_key(key);
    request.mutable_entry()->set_category(options.category);
    json::Parser parser;
    EXPECT_OK(
        parser.ParseValue(json, request.mutable_entry()->mutable_value()));
    if (options.ttl != absl::InfiniteDuration()) {
      *request.mutable_ttl() = TimeUtil::NanosecondsToDuration(
          absl::ToInt64Nanoseconds(options.ttl));
    }
    v1::SetResponse response;
    absl::Status result;
    absl::Notification done;
    SetCacheEntry(database(), request, &response, Call(),
                  [&](absl::Status status) {
                    result = std::move(status);
                    done.Notify();
                  });
    done.WaitForNotification();
    if (!result.ok()) return result;
    return response;
  }

  CacheCollectionPtr Cache(const std::string& collection = "") {
    const auto found =
        database().caches().Find(database().catalog(), collection);
    EXPECT_OK(found);
    return found->cache;
  }

  // Nothing on a miss.
  std::optional<v1::CacheEntry> Get(const std::string& key,
                                    const std::string& collection = "") {
    v1::CacheEntry entry;
    const auto found =
        ReadCacheEntry(database(), *Cache(collection), key, &entry);
    EXPECT_OK(found);
    if (!*found) return std::nullopt;
    return entry;
  }

  // Its value as JSON; `miss` if there is none.
  std::string Value(const std::string& key,
                    const std::string& collection = "") {
    const auto entry = Get(key, collection);
    if (!entry.has_value()) return "miss";
    std::string json;
    json::AppendJson(entry->value(), &json);
    return json;
  }

  bool Has(const std::string& key) {
    const auto found = HasCacheEntry(database(), *Cache(), key);
    EXPECT_OK(found);
    return *found;
  }

  std::vector<std::string> Keys(bool include_expired = false,
                                const std::string& category = "",
                                const std::string& glob = "") {
    KeysWanted wanted;
    wanted.limit = 1000;
    wanted.include_expired = include_expired;
    wanted.category = category;
    if (!glob.empty()) wanted.pattern = Pattern(glob);
    google::protobuf::RepeatedPtrField<std::string> keys;
    const auto last = ReadCacheKeys(database(), *Cache(), wanted, {}, &keys);
    EXPECT_OK(last);
    EXPECT_EQ(*last, std::nullopt);
    return {keys.begin(), keys.end()};
  }

  static CachePattern Pattern(const std::string& glob) {
    v1::KeyPattern pattern;
    pattern.set_glob(glob);
    FieldViolations violations;
    CachePattern compiled = CachePattern::Make(pattern, "", violations);
    EXPECT_OK(violations.ToStatus());
    return compiled;
  }

  v1::CacheServiceStatsResponse Stats() {
    v1::CacheServiceStatsResponse response;
    EXPECT_OK(ReadCacheStats(database(), *Cache(), {}, &response));
    return response;
  }

  int64_t DeleteMatching(const std::string& glob) {
    return Deleted([&](EntriesDeleted done) {
      DeleteCacheMatching(database(), *Cache(), Pattern(glob), Call(),
                          std::move(done));
    });
  }

  int64_t Clear(const std::string& category) {
    return Deleted([&](EntriesDeleted done) {
      ClearCache(database(), *Cache(), category, Call(), std::move(done));
    });
  }

  int64_t Delete(const std::string& key) {
    return Deleted([&](EntriesDeleted done) {
      DeleteCacheEntry(database(), *Cache(), key, absl::InfiniteFuture(),
                       std::move(done));
    });
  }

  template <typename Start>
  static int64_t Deleted(Start start) {
    absl::StatusOr<int64_t> result;
    absl::Notification done;
    start([&](absl::StatusOr<int64_t> deleted) {
      result = std::move(deleted);
      done.Notify();
    });
    done.WaitForNotification();
    EXPECT_OK(result);
    return result.value_or(-1);
  }

  // What touches are left, written.
  void FlushTouches() {
    db_.clock().Advance(absl::Seconds(1));
    database().FlushTouches();
    ASSERT_OK(db_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  }

  // The size that Sets go by, and what a scan finds.
  void ExpectSizeIsExact() {
    const auto known = database().caches().sizes().Find(
        Cache()->collection->id, Cache()->collection->schema_version);
    ASSERT_TRUE(known.has_value());
    EXPECT_EQ(*known, Stats().bytes());
  }

  // A value of this many bytes as JSON.
  static std::string Bytes(size_t count) {
    return absl::StrCat("\"", std::string(count - 2, 'x'), "\"");
  }

  TestDatabase db_{SmallCache()};
};

TEST_F(CacheSetterTest, TheFirstSetMakesTheCollection) {
  ASSERT_OK_AND_ASSIGN(const v1::SetResponse set,
                       Set("a", R"({"b":[1,null]})"));
  EXPECT_FALSE(set.has_expire_time());
  EXPECT_EQ(set.position(), database().NewestPosition().ToString());
  EXPECT_EQ(Value("a"), R"({"b":[1,null]})");
  EXPECT_EQ(Value("b"), "miss");
  EXPECT_NE(database().catalog().Find("cache"), nullptr);
}

TEST_F(CacheSetterTest, FirstSetsAtOnceAllSucceed) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { EXPECT_OK(Set(absl::StrCat("k", i), "1")); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Keys().size(), 8);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _schema_migrations"), 1);
}

// What the application declared is not changed, even if it has less.
TEST_F(CacheSetterTest, AnApplicationsOwnCacheStaysAsItIs) {
  const std::string own = absl::StrCat("collection: cache", kTexts + 18);
  ASSERT_OK(db_.Apply({own}));
  EXPECT_OK(Set("a", R"("text")"));
  EXPECT_EQ(Value("a"), R"("text")");
  EXPECT_EQ(database().catalog().Find("cache")->yaml, own);
}

TEST_F(CacheSetterTest, AnyJsonIsAValue) {
  for (const std::string json :
       {"null", "true", "0", "-1.5", R"("")", R"("a\nb")", "[]", "{}",
        R"([null,{"a":"é"}])", R"("9007199254740993")"}) {
    ASSERT_OK(Set("a", json));
    EXPECT_EQ(Value("a"), json);
  }
}

TEST_F(CacheSetterTest, ASetReplacesAllOfTheEntry) {
  ASSERT_OK(Set("a", "1", {.category = "api", .ttl = absl::Seconds(100)}));
  EXPECT_EQ(Get("a")->category(), "api");
  EXPECT_EQ(Get("a")->hits(), 0);
  FlushTouches();
  const int64_t first =
      TimeUtil::TimestampToMicroseconds(Get("a")->create_time());
  EXPECT_EQ(Get("a")->hits(), 2);
  // The two reads just now are of the old entry; they wait to be written.
  db_.clock().Advance(absl::Seconds(5));
  ASSERT_OK(Set("a", "2"));
  FlushTouches();
  const v1::CacheEntry entry = *Get("a");
  EXPECT_EQ(entry.value().number_value(), 2);
  EXPECT_EQ(entry.category(), "");
  EXPECT_FALSE(entry.has_expire_time());
  EXPECT_EQ(entry.hits(), 0);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(entry.create_time()) - first,
            6'000'000);
}

TEST_F(CacheSetterTest, AnEntryIsGoneAtItsInstant) {
  ASSERT_OK_AND_ASSIGN(const v1::SetResponse set,
                       Set("a", "1", {.ttl = absl::Milliseconds(1)}));
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(set.expire_time()),
            absl::ToUnixMicros(db_.clock().Now()) + 1000);
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(Get("a")->expire_time()),
            TimeUtil::TimestampToMicroseconds(set.expire_time()));
  db_.clock().Advance(absl::Microseconds(999));
  EXPECT_EQ(Value("a"), "1");
  EXPECT_TRUE(Has("a"));
  EXPECT_THAT(Keys(), ElementsAre("a"));
  db_.clock().Advance(absl::Microseconds(1));
  EXPECT_EQ(Value("a"), "miss");
  EXPECT_FALSE(Has("a"));
  EXPECT_THAT(Keys(), IsEmpty());
  EXPECT_THAT(Keys(/*include_expired=*/true), ElementsAre("a"));
  EXPECT_EQ(Delete("a"), 0);
  EXPECT_THAT(Keys(/*include_expired=*/true), IsEmpty());
}

TEST_F(CacheSetterTest, AnExpiredEntryIsSetAnew) {
  ASSERT_OK(Set("a", "1", {.ttl = absl::Milliseconds(1)}));
  db_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Set("a", "2"));
  EXPECT_EQ(Value("a"), "2");
}

TEST_F(CacheSetterTest, OnlyGetsAreHits) {
  ASSERT_OK(Set("a", "1"));
  for (int i = 0; i < 3; ++i) Get("a");
  Has("a");
  Keys();
  FlushTouches();
  EXPECT_EQ(Get("a")->hits(), 3);
  EXPECT_EQ(Stats().categories(0).hits(), 3);
}

TEST_F(CacheSetterTest, SaysWhatIsWrongByTheFieldsOfTheRequest) {
  ASSERT_OK(db_.Apply({kTexts}));
  EXPECT_THAT(
      ViolationsOf(Set("", "1", {.ttl = absl::Microseconds(999)}).status()),
      ElementsAre(Pair("entry.key", "must not be empty"),
                  Pair("ttl", HasSubstr("give 1ms to "))));
  EXPECT_THAT(ViolationsOf(Set(std::string(513, 'k'), "1").status()),
              ElementsAre(Pair("entry.key", HasSubstr("513 bytes"))));
  EXPECT_THAT(ViolationsOf(Set("a\n", "1").status()),
              ElementsAre(Pair("entry.key", HasSubstr("control character"))));
  EXPECT_THAT(
      ViolationsOf(
          Set("a", R"("too long for it")", {.collection = "texts"}).status()),
      ElementsAre(Pair("entry.value", HasSubstr("at most 8"))));
  EXPECT_THAT(ViolationsOf(Set("a", "7", {.collection = "texts"}).status()),
              ElementsAre(Pair("entry.value", HasSubstr("wants a string"))));
  v1::SetRequest request;
  request.mutable_entry()->set_key("a");
  absl::Status result;
  SetCacheEntry(database(), request, nullptr, Call(),
                [&](const absl::Status& status) { result = status; });
  EXPECT_THAT(ViolationsOf(result),
              ElementsAre(Pair("entry.value", HasSubstr("is missing"))));
}

TEST_F(CacheSetterTest, ACollectionThatIsNoCacheIsRefused) {
  ASSERT_OK(
      db_.Apply({"collection: notes\nfields:\n  value: {type: int}\n"
                 "  expires_at: {type: timestamp}\n",
                 "collection: pages\nfields:\n  value: {type: text}\n"
                 "expire: {after: 1d}\n",
                 kTexts}));
  absl::Status status = Set("a", "1", {.collection = "notes"}).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "lacks `value`"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
  status = Set("a", "1", {.collection = "pages"}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               "lacks `expire`"));
  status =
      Set("a", R"("x")", {.collection = "texts", .category = "c"}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               "lacks `category`"));
  EXPECT_THAT(Set("a", "1", {.collection = "nothing"}),
              StatusIs(absl::StatusCode::kNotFound));
}

// Values of other types, and no more fields than needed.
TEST_F(CacheSetterTest, OtherTypesOfValuesServe) {
  ASSERT_OK(db_.Apply({kTexts,
                       "collection: blobs\nfields:\n  value: {type: bytes}\n"
                       "  expires_at: {type: timestamp}\n"
                       "expire: {field: expires_at}\n"}));
  ASSERT_OK(
      Set("a", R"("text")", {.collection = "texts", .ttl = absl::Seconds(1)}));
  EXPECT_EQ(Value("a", "texts"), R"("text")");
  ASSERT_OK(Set("a", R"("AAEC")", {.collection = "blobs"}));
  EXPECT_EQ(Value("a", "blobs"), R"("AAEC")");
  EXPECT_EQ(Get("a", "blobs")->hits(), 0);
  db_.clock().Advance(absl::Seconds(1));
  EXPECT_EQ(Value("a", "texts"), "miss");
}

TEST_F(CacheSetterTest, CodeBuddysCacheServesAsItIs) {
  ASSERT_OK(db_.Apply({ReadFile(CODE_BUDDY_CACHE)}));
  ASSERT_OK(Set("a", R"({"n":1})", {.category = "api", .ttl = absl::Hours(1)}));
  Get("a");
  FlushTouches();
  EXPECT_EQ(Get("a")->hits(), 1);
  EXPECT_EQ(Value("a"), R"({"n":1})");
  EXPECT_EQ(Get("a")->category(), "api");
  // Its value is required.
  EXPECT_THAT(ViolationsOf(Set("b", "null").status()),
              ElementsAre(Pair("entry.value", HasSubstr("is required"))));
  // An entry that is found by meaning has a text to embed, which only a record
  // gives it.
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "cache", "replace": {"id": "c", "fields":
          {"value": [2], "semantic_key": "two"}}})"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 1);
  EXPECT_EQ(Value("c"), "[2]");
}

// A text of the value is embedded if the schema says which.
TEST_F(CacheSetterTest, ASetEmbedsWhatTheSchemaExtracts) {
  ASSERT_OK(db_.Apply({R"(
collection: answers
fields:
  value:      {type: json}
  question:   {type: text, extract: value.question}
  expires_at: {type: timestamp}
expire: {field: expires_at}
vectors:
  meaning: {source: [question]}
)"}));
  ASSERT_OK(Set("a", R"({"question":"why?","answer":42})",
                {.collection = "answers"}));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 1);
  EXPECT_EQ(Value("a", "answers"), R"({"answer":42,"question":"why?"})");
}

TEST_F(CacheSetterTest, KeysAreInTheOrderOfTheirBytes) {
  for (const std::string key : {"b", "a", "é", "B", "ab"}) {
    ASSERT_OK(Set(key, "1", {.category = key == "b" ? "x" : ""}));
  }
  EXPECT_THAT(Keys(), ElementsAre("B", "a", "ab", "b", "é"));
  EXPECT_THAT(Keys(false, "x"), ElementsAre("b"));
  EXPECT_THAT(Keys(false, "", "a*"), ElementsAre("a", "ab"));
  EXPECT_THAT(Keys(false, "", "?"), ElementsAre("B", "a", "b", "é"));
}

TEST_F(CacheSetterTest, PagesOfKeysGoOnAndAreBounded) {
  // More than one page looks at.
  std::vector<std::string> items;
  for (int i = 0; i < 10'050; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "cache", "create": {"id": "k)",
                     100'000 + i, R"(", "fields": {"value": 1}}})"));
  }
  ASSERT_OK(Set("a", "1"));
  ASSERT_OK(db_.Write(absl::StrCat(
      "[", absl::StrJoin(items.begin(), items.begin() + 10'000, ","), "]")));
  ASSERT_OK(db_.Write(absl::StrCat(
      "[", absl::StrJoin(items.begin() + 10'000, items.end(), ","), "]")));
  KeysWanted wanted;
  wanted.limit = 3;
  google::protobuf::RepeatedPtrField<std::string> keys;
  EXPECT_THAT(ReadCacheKeys(database(), *Cache(), wanted, {}, &keys),
              ::testing::Eq(absl::StatusOr<std::optional<std::string>>(
                  std::string("k100001"))));
  EXPECT_THAT(keys, ElementsAre("a", "k100000", "k100001"));
  // A page that finds nothing says where it came to.
  keys.Clear();
  wanted.pattern = Pattern("*49");
  wanted.after = "k100049";
  wanted.limit = 1000;
  ASSERT_OK_AND_ASSIGN(std::optional<std::string> last,
                       ReadCacheKeys(database(), *Cache(), wanted, {}, &keys));
  EXPECT_EQ(last, "k110049");
  EXPECT_EQ(keys.size(), 100);
  keys.Clear();
  wanted.after = *last;
  ASSERT_OK_AND_ASSIGN(last,
                       ReadCacheKeys(database(), *Cache(), wanted, {}, &keys));
  EXPECT_EQ(last, std::nullopt);
  EXPECT_THAT(keys, IsEmpty());
}

TEST_F(CacheSetterTest, DeletesWhatMatches) {
  for (const std::string key : {"api:1", "api:2", "tool:1", "xapi:1"}) {
    ASSERT_OK(Set(key, "1"));
  }
  ASSERT_OK(Set("api:3", "1", {.ttl = absl::Milliseconds(1)}));
  db_.clock().Advance(absl::Seconds(1));
  // What had expired goes too, uncounted.
  EXPECT_EQ(DeleteMatching("api:*"), 2);
  EXPECT_THAT(Keys(/*include_expired=*/true), ElementsAre("tool:1", "xapi:1"));
  EXPECT_EQ(DeleteMatching("nothing*"), 0);
  EXPECT_EQ(DeleteMatching("*"), 2);
  ExpectSizeIsExact();
}

TEST_F(CacheSetterTest, DeletesManyInSlices) {
  ASSERT_OK(Set("z", "1"));
  std::vector<std::string> items;
  for (int i = 0; i < 2500; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "cache", "create": {"id": "k)", i,
                     R"(", "fields": {"value": 1}}})"));
  }
  ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  EXPECT_EQ(DeleteMatching("k*"), 2500);
  EXPECT_THAT(Keys(), ElementsAre("z"));
}

TEST_F(CacheSetterTest, ClearsACategoryOrAll) {
  ASSERT_OK(Set("a", "1", {.category = "x"}));
  ASSERT_OK(Set("b", "1", {.category = "y"}));
  ASSERT_OK(Set("c", "1"));
  EXPECT_EQ(Clear("x"), 1);
  EXPECT_THAT(Keys(), ElementsAre("b", "c"));
  EXPECT_EQ(Clear(""), 2);
  EXPECT_THAT(Keys(), IsEmpty());
  ExpectSizeIsExact();
}

// A key that is deleted is free, even where deleted records are kept.
TEST_F(CacheSetterTest, DeletesForGood) {
  ASSERT_OK(db_.Apply({R"(
collection: cache
fields:
  value:      {type: json}
  expires_at: {type: timestamp}
expire: {field: expires_at}
soft_delete: true
)"}));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(Set("a", "1"));
    EXPECT_EQ(Delete("a"), 1);
    EXPECT_EQ(Delete("a"), 0);
    ASSERT_OK(Set("a", "2"));
    EXPECT_EQ(DeleteMatching("a"), 1);
  }
  // By the record's own delete it is hidden.
  ASSERT_OK(Set("a", "3"));
  ASSERT_OK(db_.WriteOne(R"({"collection": "cache", "delete": {"id": "a"}})"));
  EXPECT_EQ(Value("a"), "miss");
  EXPECT_THAT(Keys(/*include_expired=*/true), IsEmpty());
  ExpectSizeIsExact();
}

TEST_F(CacheSetterTest, CountsByCategory) {
  ASSERT_OK(Set("a", "123", {.category = "x"}));
  ASSERT_OK(Set("bb", "1", {.category = "x", .ttl = absl::Milliseconds(1)}));
  ASSERT_OK(Set("ccc", R"("é")"));
  ASSERT_OK(Set("d", "null", {.category = "w"}));
  db_.clock().Advance(absl::Seconds(1));
  const v1::CacheServiceStatsResponse stats = Stats();
  EXPECT_EQ(stats.entries(), 3);
  EXPECT_EQ(stats.expired(), 1);
  // 1 + 3, 2 + 1, 3 + 4, 1 + none.
  EXPECT_EQ(stats.bytes(), 4 + 3 + 7 + 1);
  ASSERT_EQ(stats.categories_size(), 3);
  EXPECT_EQ(stats.categories(0).category(), "");
  EXPECT_EQ(stats.categories(0).bytes(), 7);
  EXPECT_EQ(stats.categories(1).category(), "w");
  EXPECT_EQ(stats.categories(2).category(), "x");
  EXPECT_EQ(stats.categories(2).entries(), 1);
  EXPECT_EQ(stats.categories(2).bytes(), 4);
}

TEST_F(CacheSetterTest, WhatWasUsedLongestAgoGoesFirst) {
  for (const std::string key : {"a", "b", "c", "d"}) {
    ASSERT_OK(Set(key, Bytes(24'000)));
    db_.clock().Advance(absl::Seconds(1));
  }
  EXPECT_EQ(Keys().size(), 4);
  Get("a");
  FlushTouches();
  // Over the limit by 20,000 bytes, and down to 90,000: two must go.
  ASSERT_OK(Set("e", Bytes(24'000)));
  EXPECT_THAT(Keys(), ElementsAre("a", "d", "e"));
  const NamedCache named = *database().caches().Find(database().catalog(), "");
  EXPECT_EQ(named.counters->evictions, 2);
  ExpectSizeIsExact();
}

TEST_F(CacheSetterTest, WhatHasExpiredGoesBeforeAll) {
  ASSERT_OK(Set("old", Bytes(24'000)));
  db_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Set("dead", Bytes(60'000), {.ttl = absl::Milliseconds(1)}));
  db_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Set("new", Bytes(24'000)));
  EXPECT_THAT(Keys(/*include_expired=*/true), ElementsAre("new", "old"));
  const NamedCache named = *database().caches().Find(database().catalog(), "");
  EXPECT_EQ(named.counters->evictions, 0);
}

TEST_F(CacheSetterTest, AnEntryDoesNotMakeItselfGo) {
  ASSERT_OK(Set("a", "1"));
  ASSERT_OK(Set("b", "1"));
  ASSERT_OK(Set("a", Bytes(kMaxBytes)));
  EXPECT_THAT(Keys(), ElementsAre("a"));
  ASSERT_OK(Set("b", "1"));
  EXPECT_THAT(Keys(), ElementsAre("b"));
}

TEST_F(CacheSetterTest, OneSetMakesABoundedNumberGo) {
  ASSERT_OK(Set("a", "1"));
  std::vector<std::string> items;
  // Of 19 bytes each: many more would have to go.
  for (int i = 1000; i < 9000; ++i) {
    items.push_back(absl::StrCat(
        R"({"collection": "cache", "create": {"id": "k)", i,
        R"(", "fields": {"value": ")", std::string(12, 'x'), R"("}}})"));
  }
  ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  EXPECT_GT(Stats().bytes(), kMaxBytes);
  ASSERT_OK(Set("b", "1"));
  EXPECT_EQ(Stats().entries(), 8002 - kMaxEvictedEntries);
  ExpectSizeIsExact();
}

// Many Sets share a commit; not each of them makes room for all.
TEST_F(CacheSetterTest, SetsOfOneCommitMakeRoomOnce) {
  for (int i = 0; i < 99; ++i) {
    ASSERT_OK(Set(absl::StrCat("k", 100 + i), Bytes(1000 - 4)));
  }
  absl::Notification held, go;
  std::thread writer([&] {
    EXPECT_OK(db_.Run([&](WriteTransaction&) {
      held.Notify();
      go.WaitForNotification();
      return absl::OkStatus();
    }));
  });
  held.WaitForNotification();
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back(
        [&, i] { EXPECT_OK(Set(absl::StrCat("n", 100 + i), Bytes(996))); });
  }
  go.Notify();
  writer.join();
  for (std::thread& thread : threads) thread.join();
  const int64_t bytes = Stats().bytes();
  EXPECT_LE(bytes, kMaxBytes);
  // Down to 90,000 once, and then those that came after.
  EXPECT_GE(bytes, 90'000);
  ExpectSizeIsExact();
}

TEST_F(CacheSetterTest, TheSizeIsTrueWhoeverWrites) {
  ASSERT_OK(Set("a", "1"));
  ASSERT_OK(Set("b", "12345", {.ttl = absl::Seconds(1)}));
  ExpectSizeIsExact();
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "cache", "create": {"id": "c", "fields":
          {"value": [1, 2, 3]}}})"));
  ExpectSizeIsExact();
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "cache", "update": {"id": "c", "fields":
          {"value": null}}})"));
  ExpectSizeIsExact();
  ASSERT_OK(db_.WriteOne(R"({"collection": "cache", "delete": {"id": "a"}})"));
  ExpectSizeIsExact();
  db_.clock().Advance(absl::Seconds(2));
  ASSERT_OK(db_.SweepAll());
  ExpectSizeIsExact();
  // A write that fails half way counts nothing.
  EXPECT_FALSE(db_.Write(R"([
      {"collection": "cache", "create": {"id": "d", "fields": {"value": 1}}},
      {"collection": "cache", "create": {"id": "c", "fields": {}}}])")
                   .ok());
  ExpectSizeIsExact();
  // A part that fails neither, and the others do.
  EXPECT_OK(db_.Write(R"([
      {"collection": "cache", "create": {"id": "d", "fields": {"value": 1}}},
      {"collection": "cache", "create": {"id": "c", "fields": {}}}])",
                      R"("atomic": false)"));
  ExpectSizeIsExact();
}

TEST_F(CacheSetterTest, ANewProcessCountsWhatThereIs) {
  for (int i = 0; i < 9; ++i) {
    ASSERT_OK(Set(absl::StrCat("k", i), Bytes(11'000)));
    db_.clock().Advance(absl::Seconds(1));
  }
  db_.Reopen();
  ASSERT_OK(Set("k9", Bytes(11'000)));
  EXPECT_THAT(Keys(),
              ElementsAre("k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"));
  ExpectSizeIsExact();
}

// Values are stored in another way then.
TEST_F(CacheSetterTest, ANewSchemaIsCountedAnew) {
  ASSERT_OK(db_.Apply({R"(
collection: cache
fields:
  value:      {type: json}
  expires_at: {type: timestamp}
expire: {field: expires_at}
)"}));
  ASSERT_OK(Set("a", R"("text")"));
  ExpectSizeIsExact();
  const int64_t before = Stats().bytes();
  ASSERT_OK(db_.Apply({absl::StrCat("collection: cache", kTexts + 18)}));
  ASSERT_OK(Set("b", R"("xy")"));
  // Without the quotes.
  EXPECT_EQ(Stats().bytes(), before - 2 + 3);
  ExpectSizeIsExact();
}

// Read by what the file has, while the catalog of the caller is another.
TEST_F(CacheSetterTest, AReadMeetsTheSchemaThatThereIs) {
  ASSERT_OK(Set("a", R"("text")"));
  const CacheCollectionPtr old = Cache();
  ASSERT_OK(
      db_.Apply({absl::StrCat("collection: cache\nid: required",
                              "\nfields:\n  value: {type: json}\n"
                              "  kind: {type: string, renamed_from: category}\n"
                              "  created_at: {type: timestamp}\n"
                              "  used_at: {type: timestamp}\n"
                              "  hits: {type: int}\n"
                              "  expires_at: {type: timestamp}\n"
                              "expire: {field: expires_at}\n")}));
  v1::CacheEntry entry;
  EXPECT_THAT(ReadCacheEntry(database(), *old, "a", &entry),
              ::testing::Eq(absl::StatusOr<bool>(true)));
  EXPECT_EQ(entry.value().string_value(), "text");
  EXPECT_THAT(HasCacheEntry(database(), *old, "a"),
              ::testing::Eq(absl::StatusOr<bool>(true)));
}

TEST_F(CacheSetterTest, WhatRefsKeepIsNotEvicted) {
  ASSERT_OK(Set("a", Bytes(30'000)));
  ASSERT_OK(
      db_.Apply({"collection: uses\nfields:\n"
                 "  entry: {type: ref(cache), on_delete: restrict}\n"}));
  ASSERT_OK(db_.WriteOne(
      R"({"collection": "uses", "create": {"fields": {"entry": "a"}}})"));
  db_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Set("b", Bytes(30'000)));
  db_.clock().Advance(absl::Seconds(1));
  ASSERT_OK(Set("c", Bytes(60'000)));
  EXPECT_THAT(Keys(), ElementsAre("a", "c"));
}

}  // namespace
}  // namespace engram::storage
