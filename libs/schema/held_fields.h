#ifndef ENGRAM_LIBS_SCHEMA_HELD_FIELDS_H_
#define ENGRAM_LIBS_SCHEMA_HELD_FIELDS_H_

#include <vector>

#include "libs/schema/collection_spec.h"

namespace engram::schema {

// The fields whose values search holds, so that filters on them need not ask
// storage, as places in CollectionSpec::fields, ascending: those that are
// indexed by themselves or lead an index or a unique key, and are not text,
// json or bytes. Never what reads change (`touch`), of which the feed says
// nothing, nor what may be computed from that. None where there is nothing to
// search.
//
// Storage sends these and search expects them: a change of the rule is a change
// of the feed.
std::vector<int> HeldFields(const CollectionSpec& spec);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_HELD_FIELDS_H_
