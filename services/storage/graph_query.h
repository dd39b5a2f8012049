// What the requests over a graph have in common, read and checked.

#ifndef ENGRAM_SERVICES_STORAGE_GRAPH_QUERY_H_
#define ENGRAM_SERVICES_STORAGE_GRAPH_QUERY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/status/errors.h"
#include "services/storage/id_select.h"
#include "services/storage/read_target.h"

namespace engram::storage {

// The most nodes that a request names.
inline constexpr int kMaxNamedNodes = 1000;
// The most kinds that a request names.
inline constexpr int kMaxKinds = 100;

// Which edges count.
struct EdgeFilter {
  filter::Node node;
  IdSelect::Statements statements = IdSelect::Statements::kOwn;
};

// One state of a graph. `NotFound` if there is no such collection,
// `FailedPrecondition` with the reason if it declares no `edges`.
absl::StatusOr<ReadTarget> FindGraph(Database& database,
                                     absl::string_view collection);

// Reads `kinds` and `edge_filter` of a request over the graph that `spec`
// declares. After a violation what is returned is of no use.
EdgeFilter DecodeEdgeFilter(
    const schema::CollectionSpec& spec,
    const google::protobuf::RepeatedPtrField<std::string>& kinds,
    absl::string_view edge_filter, filter::SharedParameters& parameters,
    FieldViolations& violations);

// Checks an id, or `least` to kMaxNamedNodes of them, in the field `path`. A
// node need not have a record, so that any text which an edge can hold is one.
void CheckNode(absl::string_view id, absl::string_view path,
               FieldViolations& violations);
void CheckNodes(const google::protobuf::RepeatedPtrField<std::string>& ids,
                int least, absl::string_view path, FieldViolations& violations);

// Reads a number such as a limit: 0 is `usual`, more than `most` is that.
int DecodeLimit(int sent, int usual, int most, absl::string_view path,
                FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GRAPH_QUERY_H_
