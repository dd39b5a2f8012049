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
  // A Struct has no order; a message should not depend on a hash.
  const std::string* unused = nullptr;
  for (const auto& [name, value] : values_.fields()) {
    if (used_.count(name) > 0) continue;
    if (unused == nullptr || name < *unused) unused = &name;
  }
  if (unused == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the parameter \"", CutText(*unused, kShownBytes),
                   "\" is used nowhere; write :name or leave it out"));
}

}  // namespace engram::filter
