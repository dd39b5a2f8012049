#ifndef ENGRAM_SERVICES_STORAGE_CACHE_PATTERN_H_
#define ENGRAM_SERVICES_STORAGE_CACHE_PATTERN_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "engram/storage/v1/cache.pb.h"
#include "libs/status/errors.h"

namespace re2 {
class RE2;
}  // namespace re2

namespace engram::storage {

// Names keys, as v1.KeyPattern says. Its match takes time in proportion to the
// key, whatever the pattern. Thread-safe.
class CachePattern {
 public:
  // Compiles the pattern in the field `path` of a request. After a violation
  // the result is of no use.
  static CachePattern Make(const v1::KeyPattern& pattern,
                           absl::string_view path, FieldViolations& violations);
  // Meets every key.
  CachePattern();
  CachePattern(CachePattern&&) noexcept;
  CachePattern& operator=(CachePattern&&) noexcept;
  ~CachePattern();

  bool Matches(absl::string_view key) const;

  // No key that it meets is before `first` or, unless `last` is empty, after
  // `last`, by bytes: `api:*` need look at no others. A regex may meet any.
  const std::string& first() const { return first_; }
  const std::string& last() const { return last_; }

 private:
  // Null meets every key.
  std::unique_ptr<const re2::RE2> expression_;
  std::string first_;
  std::string last_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CACHE_PATTERN_H_
