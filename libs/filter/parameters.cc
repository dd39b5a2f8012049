#include "libs/filter/parameters.h"

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::filter {
namespace {

constexpr size_t kShownBytes = 64;

}  // namespace

const google::protobuf::Value* Parameters::Use(const std::string& name) {
  const auto found = values_.fields().find(name);
  if (found == values_.fields().end()) return nullptr;
  used_.insert(name);
  return &found->second;
}

absl::Status Parameters::CheckAllUsed() const {
  for (const auto& [name, value] : values_.fields()) {
    if (used_.count(name) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the parameter \"", CutText(name, kShownBytes),
                     "\" is used nowhere; write :name or leave it out"));
  }
  return absl::OkStatus();
}

}  // namespace engram::filter
