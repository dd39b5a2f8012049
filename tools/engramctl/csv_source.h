#ifndef ENGRAM_TOOLS_ENGRAMCTL_CSV_SOURCE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CSV_SOURCE_H_

#include <istream>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/schema/collection_spec.h"
#include "tools/engramctl/record_source.h"

namespace engram::engramctl {

// See OpenRecordSource. Reads the header.
absl::StatusOr<std::unique_ptr<RecordSource>> OpenCsvSource(
    std::istream& in, const schema::CollectionSpec& spec,
    const std::string& id_field);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CSV_SOURCE_H_
