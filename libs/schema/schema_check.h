// The rules that hold between collections, which no document can be checked
// against alone.

#ifndef ENGRAM_LIBS_SCHEMA_SCHEMA_CHECK_H_
#define ENGRAM_LIBS_SCHEMA_SCHEMA_CHECK_H_

#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "libs/schema/collection_spec.h"

namespace engram::schema {

// Gets a mistake: the collection that makes it, the path in its document, such
// as `fields.session_id.type`, and the problem with a remedy.
using ReportMistake =
    absl::FunctionRef<void(absl::string_view collection, absl::string_view path,
                           absl::string_view problem)>;

// Checks what the collections say of each other. `all` is every collection that
// the database has once a schema is applied: those declared, and those it has
// and keeps; no two of one name. Reports, by collection in the order of `all`:
// - a ref whose target is not among them;
// - a roll-up whose parent has no such field, or one that cannot take the
//   result: of another type, or set by something else as well (generated,
//   extracted, touched, another roll-up);
// - a roll-up over what is itself kept by a roll-up.
void CheckReferences(const std::vector<const CollectionSpec*>& all,
                     ReportMistake report);

// Checks the new names among the documents of one apply: reports those that are
// renamed from the same collection, and one renamed from a collection that is
// declared beside it.
void CheckRenames(const std::vector<const CollectionSpec*>& declared,
                  ReportMistake report);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_SCHEMA_CHECK_H_
