#ifndef ENGRAM_SERVICES_STORAGE_NODE_FILTER_H_
#define ENGRAM_SERVICES_STORAGE_NODE_FILTER_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/filter/filter.h"
#include "services/storage/catalog.h"
#include "services/storage/id_select.h"

namespace engram::storage {

// Tells which nodes have a record that meets a filter. For use during one call,
// on one thread.
class NodeFilter {
 public:
  // All but `filter` must outlive this object.
  NodeFilter(sqlite::Connection& connection, const Collection& nodes,
             const filter::Node& filter, int64_t now_us,
             const CallBounds& bounds);

  // Visits those of `ids`, each there once, that do.
  absl::Status Visit(absl::Span<const std::string> ids,
                     absl::FunctionRef<void(absl::string_view id)> visit);

 private:
  IdSelect select_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_NODE_FILTER_H_
