#include "tools/engramctl/record_write.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/field_text.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {

using storage::v1::RecordService;
using storage::v1::WriteRequest;
using storage::v1::WriteResponse;
using storage::v1::WriteResult;

void ConditionFlags::Declare(CLI::App* command) {
  command->add_option("--if-version", version,
                      "Only if the record has this version; 0: only if there "
                      "is none");
  command->add_option("--if", filter, "Only if the record meets this filter");
  DeclareParameters(command);
}

void ConditionFlags::DeclareParameters(CLI::App* command) {
  command
      ->add_option("--param", parameters,
                   "NAME=VALUE: what :NAME stands for in a filter or an "
                   "expression; JSON, or else a string")
      ->allow_extra_args(false);
}

absl::Status ConditionFlags::Fill(storage::v1::Condition* condition) const {
  if (version.has_value()) condition->set_version(*version);
  condition->set_filter(filter);
  return FillParameters(condition->mutable_parameters());
}

absl::Status ConditionFlags::FillParameters(
    google::protobuf::Struct* out) const {
  for (const std::string& parameter : parameters) {
    ASSIGN_OR_RETURN(const auto assignment,
                     SplitAssignment("--param", parameter));
    (*out->mutable_fields())[assignment.first] =
        ParseAnyText(assignment.second);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, std::string>> SplitAssignment(
    absl::string_view flag, absl::string_view text) {
  const size_t at = text.find('=');
  if (at == absl::string_view::npos || at == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " wants NAME=VALUE; got \"", text, "\""));
  }
  return std::pair(std::string(text.substr(0, at)),
                   std::string(text.substr(at + 1)));
}

absl::Status SendWrite(Context& context, const WriteRequest& request) {
  ASSIGN_OR_RETURN(const WriteResponse response,
                   context.connection().Call(
                       Role::kStorage, &RecordService::Stub::Write, request));
  std::ostream& out = context.console.out;
  if (context.console.json) {
    std::vector<JsonObject> results;
    for (const WriteResult& result : response.results()) {
      results.push_back(JsonObject()
                            .Text("id", result.id())
                            .Int("version", result.version())
                            .Text("outcome", OutcomeText(result.outcome())));
    }
    out << JsonObject()
               .List("results", results)
               .Text("position", response.position())
               .ToString()
        << "\n";
    return absl::OkStatus();
  }
  for (const WriteResult& result : response.results()) {
    out << absl::StrFormat("%-10s ", OutcomeText(result.outcome()))
        << OneLine(result.id());
    if (result.version() != 0) out << " (version " << result.version() << ")";
    out << "\n";
  }
  out << "position   " << response.position() << "\n";
  return absl::OkStatus();
}

std::string OutcomeText(WriteResult::Outcome outcome) {
  const std::string& name = WriteResult::Outcome_Name(outcome);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "OUTCOME_"));
}

}  // namespace engram::engramctl
