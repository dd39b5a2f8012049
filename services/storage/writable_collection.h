#ifndef ENGRAM_SERVICES_STORAGE_WRITABLE_COLLECTION_H_
#define ENGRAM_SERVICES_STORAGE_WRITABLE_COLLECTION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// The most bytes of a string, text, ref or bytes value that an index lists, and
// of each element of a strings value. A longer key costs every search through
// the index a chain of pages for each comparison.
inline constexpr size_t kMaxIndexedBytes = 8 << 10;

// Whether an index, or a unique key, lists the values of the field at `place`.
bool IsIndexed(const schema::CollectionSpec& spec, int place);

// Checks a value that is not null against the bounds of an index.
// `InvalidArgument` with a clause as schema::CheckValue's.
absl::Status CheckIndexedValue(const schema::FieldSpec& field,
                               const ColumnValue& value);

// One collection as those may write who send requests: what its fields take,
// worked out once for all items of a request.
class WritableCollection {
 public:
  WritableCollection(CollectionPtr collection, const Catalog& catalog);

  const CollectionPtr& collection() const { return collection_; }
  const schema::CollectionSpec& spec() const { return collection_->spec; }
  const schema::FieldSpec& field(int place) const {
    return collection_->spec.fields[place];
  }

  // The places of the fields that roll-ups keep, ascending.
  const std::vector<int>& kept() const { return kept_; }

  // OK if requests may give the field a value; else `InvalidArgument` with a
  // clause that follows the field's name.
  absl::Status CheckWritable(int place) const;

  // Whether the field can hold the value; as schema::CheckValue.
  absl::Status CheckValue(int place, const ColumnValue& value) const;

  // What to say of a name that no field has.
  std::string DescribeUnknown(absl::string_view name) const;

 private:
  enum class Access : uint8_t { kFree, kIndexed, kComputed, kKept };

  const CollectionPtr collection_;
  std::vector<int> kept_;
  // By place.
  std::vector<Access> access_;
};

// The path of a field in a request: `path`, a dot and the name, which is cut if
// it is longer than any field's.
std::string FieldPath(absl::string_view path, absl::string_view field);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WRITABLE_COLLECTION_H_
