#ifndef ENGRAM_SERVICES_STORAGE_EDGE_READER_H_
#define ENGRAM_SERVICES_STORAGE_EDGE_READER_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/sqlite/connection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/catalog.h"
#include "services/storage/graph_query.h"
#include "services/storage/id_select.h"

namespace engram::storage {

enum class EdgeEnd { kSource, kTarget };

// An edge as it is met from one of its ends. Valid during the visit.
struct EdgeView {
  absl::string_view near;
  absl::string_view far;
  // Empty unless they are read.
  absl::string_view id;
  absl::string_view kind;
};

// Reads the edges of nodes by the indexes of their ends, as many as it is
// allowed. Those that the filter refuses, that are deleted, have expired, or
// lack an end are not seen.
// For use during one call, on one thread.
class EdgeReader {
 public:
  enum class Columns { kEnds, kAll };

  // All but `filter` must outlive this object; `edges` declares edges.
  EdgeReader(sqlite::Connection& connection, const Collection& edges,
             const EdgeFilter& filter, Columns columns, int64_t now_us,
             const CallBounds& bounds);

  // From now on looks at no more edges than these, whether they are seen or
  // not.
  void Allow(int64_t edges);
  // Whether there were more than that: the visit that met the next one has
  // ended before it, and later ones visit nothing.
  bool spent() const { return spent_; }

  // Visits the edges that have one of `nodes` at their end `near`, until
  // `visit` returns false. `nodes` must live until the end.
  absl::Status Visit(
      EdgeEnd near, absl::Span<const std::string> nodes,
      absl::FunctionRef<absl::StatusOr<bool>(const EdgeView&)> visit);

 private:
  IdSelect& select(EdgeEnd near) {
    return near == EdgeEnd::kSource ? by_source_ : by_target_;
  }

  const Columns columns_;
  // Whether an end's column takes names that differ in case for the same, which
  // nodes never are.
  const bool source_nocase_;
  const bool target_nocase_;
  IdSelect by_source_;
  IdSelect by_target_;
  int64_t allowed_ = 0;
  bool spent_ = false;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EDGE_READER_H_
