#include "services/embedding/vector_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace engram::embedding {
namespace {

VectorKey Key(absl::string_view text) {
  return MakeVectorKey("fake/small@1", Purpose::kDocument, "", text);
}

EmbeddedText Vector(float first) {
  return {.vector = std::vector<float>(100, first), .tokens = 1};
}

TEST(VectorCacheTest, KeysDifferByAllThatMakesAVector) {
  const std::set<VectorKey> keys = {
      MakeVectorKey("a@1", Purpose::kDocument, "", "text"),
      MakeVectorKey("a@2", Purpose::kDocument, "", "text"),
      MakeVectorKey("a@1", Purpose::kQuery, "", "text"),
      MakeVectorKey("a@1", Purpose::kQuery, "text", ""),
      MakeVectorKey("a@1", Purpose::kQuery, "t", "ext"),
      MakeVectorKey("a@1", Purpose::kDocument, "", "texts")};

  EXPECT_EQ(keys.size(), 6);
  EXPECT_EQ(keys.count(MakeVectorKey("a@1", Purpose::kQuery, "", "text")), 1);
}

TEST(VectorCacheTest, KeepsThoseUsedLastWithinItsBytes) {
  // Each takes 592 bytes.
  VectorCache cache(1300);
  cache.Put(Key("a"), Vector(1));
  cache.Put(Key("b"), Vector(2));
  EXPECT_EQ(cache.Get(Key("a"))->vector[0], 1);

  cache.Put(Key("c"), Vector(3));

  EXPECT_TRUE(cache.Get(Key("a")).has_value());
  EXPECT_FALSE(cache.Get(Key("b")).has_value());
  EXPECT_EQ(cache.Get(Key("c"))->vector[0], 3);
  EXPECT_LE(cache.bytes(), 1300);
  EXPECT_GT(cache.bytes(), 1000);
}

TEST(VectorCacheTest, WhatIsTooLargeIsNotKept) {
  VectorCache cache(500);
  cache.Put(Key("a"), Vector(1));

  EXPECT_FALSE(cache.Get(Key("a")).has_value());
  EXPECT_EQ(cache.bytes(), 0);
}

}  // namespace
}  // namespace engram::embedding
