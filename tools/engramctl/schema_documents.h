// What a schema command works with: documents from files and folders, and plans
// that were saved.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_DOCUMENTS_H_
#define ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_DOCUMENTS_H_

#include <istream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/catalog.pb.h"

namespace engram::engramctl {

// Reads files, every `.yaml` and `.yml` file of folders, in the order of their
// names, and `in` for "-". `NotFound` for a folder that has none.
absl::StatusOr<std::vector<storage::v1::SchemaDocument>> ReadSchemaDocuments(
    const std::vector<std::string>& paths, std::istream& in);

// A plan as a file keeps it, for review and for `schema apply --plan`.
struct SavedPlan {
  std::string database;
  storage::v1::SchemaTarget target;
  storage::v1::PlanSchemaResponse plan;
};

// Writes JSON, for people too.
absl::Status SavePlan(const SavedPlan& plan, const std::string& path);
// Reads what SavePlan wrote, from `in` if `path` is "-".
absl::StatusOr<SavedPlan> LoadPlan(const std::string& path, std::istream& in);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_SCHEMA_DOCUMENTS_H_
