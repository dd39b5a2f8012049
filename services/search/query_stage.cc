#include "services/search/query_stage.h"

#include <cstdint>
#include <string>

#include "google/protobuf/util/time_util.h"

namespace engram::search {

void AddStage(absl::string_view name, absl::Duration duration,
              v1::Explanation& explanation) {
  const auto took = google::protobuf::util::TimeUtil::NanosecondsToDuration(
      absl::ToInt64Nanoseconds(duration));
  for (v1::Stage& stage : *explanation.mutable_stages()) {
    if (stage.name() == name) {
      *stage.mutable_duration() += took;
      return;
    }
  }
  v1::Stage& stage = *explanation.add_stages();
  stage.set_name(std::string(name));
  *stage.mutable_duration() = took;
}

}  // namespace engram::search
