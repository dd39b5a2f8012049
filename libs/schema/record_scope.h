// The names that a collection's filters and expressions may use.

#ifndef ENGRAM_LIBS_SCHEMA_RECORD_SCOPE_H_
#define ENGRAM_LIBS_SCHEMA_RECORD_SCOPE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/schema/collection_spec.h"

namespace engram::schema {

// Places of what every record has beside its fields, whose places are those in
// CollectionSpec::fields.
inline constexpr int kIdPlace = -1;          // `id`, string
inline constexpr int kVersionPlace = -2;     // `_version`, int
inline constexpr int kCreateTimePlace = -3;  // `_create_time`, timestamp
inline constexpr int kUpdateTimePlace = -4;  // `_update_time`, timestamp
inline constexpr int kExpireTimePlace = -5;  // `_expire_time`, timestamp

// Where `new.<field>` of a merge expression is: this plus the field's place.
inline constexpr int kSentPlace = 1'000'000;

// One collection's names; `spec` must outlive it.
class RecordScope : public filter::Scope {
 public:
  explicit RecordScope(const CollectionSpec& spec) : spec_(spec) {}
  std::optional<filter::Name> Find(absl::string_view name) const override;
  std::vector<std::string> Names() const override;

 protected:
  const CollectionSpec& spec_;
};

// The same and `new.<field>`.
class MergeScope : public RecordScope {
 public:
  using RecordScope::RecordScope;
  std::optional<filter::Name> Find(absl::string_view name) const override;
  std::vector<std::string> Names() const override;
};

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_RECORD_SCOPE_H_
