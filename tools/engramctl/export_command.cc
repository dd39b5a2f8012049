#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/output_file.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::ExportRequest;
using storage::v1::ExportResponse;
using storage::v1::RecordService;

struct Options {
  std::string collection;
  // Empty is stdout.
  std::string file;
  // Empty: the file's name says it.
  std::string format;
  std::string filter;
  ConditionFlags parameters;
  std::string fields;
  std::string since;
};

struct Result {
  int64_t records = 0;
  int64_t bytes = 0;
  std::string position;
};

ExportRequest::Format FormatFor(const Options& options) {
  const auto is = [&](absl::string_view name) {
    return options.format.empty()
               ? absl::EndsWithIgnoreCase(options.file, absl::StrCat(".", name))
               : options.format == name;
  };
  if (is("json")) return ExportRequest::FORMAT_JSON;
  if (is("csv")) return ExportRequest::FORMAT_CSV;
  if (is("sql")) return ExportRequest::FORMAT_SQL;
  return ExportRequest::FORMAT_JSONL;
}

int64_t PerSecond(int64_t amount, absl::Duration elapsed) {
  return static_cast<int64_t>(static_cast<double>(amount) /
                              std::max(0.001, absl::ToDoubleSeconds(elapsed)));
}

std::string RatesText(const Result& result, absl::Duration elapsed) {
  return absl::StrCat(WithCommas(PerSecond(result.records, elapsed)),
                      " records/s, ",
                      HumanBytes(PerSecond(result.bytes, elapsed)), "/s");
}

class Export {
 public:
  Export(Context& context, const Options& options)
      : context_(context), console_(context.console), options_(options) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(const ExportRequest request, MakeRequest());
    if (!options_.file.empty()) {
      ASSIGN_OR_RETURN(file_, OutputFile::Create(options_.file));
    }
    const absl::Time start = absl::Now();
    RETURN_IF_ERROR(Stream(request, start));
    if (file_ != nullptr) {
      RETURN_IF_ERROR(file_->Commit());
    } else {
      console_.out.flush();
      RETURN_IF_ERROR(CheckStdout());
    }
    PrintResult(absl::Now() - start);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<ExportRequest> MakeRequest() const {
    ExportRequest request;
    request.set_database(context_.database);
    request.set_collection(options_.collection);
    request.set_format(FormatFor(options_));
    request.set_filter(options_.filter);
    RETURN_IF_ERROR(
        options_.parameters.FillParameters(request.mutable_parameters()));
    for (const std::string& field : SplitNames(options_.fields)) {
      request.mutable_read_mask()->add_paths(field);
    }
    request.set_since(options_.since);
    return request;
  }

  absl::Status Stream(const ExportRequest& request, absl::Time start) {
    ProgressLine progress(console_);
    // Among the text that people look at it would be in the way.
    const bool shows_progress =
        file_ != nullptr || !console_.out_terminal.is_terminal;
    const auto visit =
        [&](const ExportResponse& piece) -> absl::StatusOr<bool> {
      result_.records = piece.records();
      result_.bytes += static_cast<int64_t>(piece.data().size());
      result_.position = piece.position();
      const absl::Time now = absl::Now();
      if (shows_progress) {
        progress.Update(absl::StrCat(WithCommas(result_.records), " records  ",
                                     RatesText(result_, now - start)),
                        now);
      }
      RETURN_IF_ERROR(Write(piece.data()));
      return true;
    };
    Connection& connection = context_.connection();
    return connection
        .Stream<RecordService::Stub, ExportRequest, ExportResponse>(
            connection.wait_deadline(), Role::kStorage,
            &RecordService::Stub::Export, request, visit);
  }

  absl::Status Write(const std::string& text) {
    if (file_ != nullptr) return file_->Write(text);
    console_.out.write(text.data(), static_cast<std::streamsize>(text.size()));
    return CheckStdout();
  }

  absl::Status CheckStdout() const {
    if (console_.out.good()) return absl::OkStatus();
    return absl::DataLossError("stdout: cannot be written");
  }

  // To stderr, if stdout has the records.
  void PrintResult(absl::Duration elapsed) const {
    if (console_.json) {
      (file_ != nullptr ? console_.out : console_.err)
          << JsonObject()
                 .Int("records", result_.records)
                 .Int("bytes", result_.bytes)
                 .Number("seconds", absl::ToDoubleSeconds(elapsed))
                 .Text("position", result_.position)
                 .ToString()
          << "\n";
      return;
    }
    console_.err << absl::StrFormat(
        "%s records, %s in %.1f s (%s)\nposition %s (--since exports what "
        "changes after it)\n",
        WithCommas(result_.records), HumanBytes(result_.bytes),
        absl::ToDoubleSeconds(elapsed), RatesText(result_, elapsed),
        result_.position);
  }

  Context& context_;
  Console& console_;
  const Options& options_;
  // Null if stdout is written to.
  std::unique_ptr<OutputFile> file_;
  Result result_;
};

}  // namespace

void AddExportCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "export", "Write a collection as a JSONL, JSON, CSV or SQL file");
  auto options = std::make_shared<Options>();
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option("-o,--out", options->file,
                      "The file (default: stdout), whose ending says the "
                      "format");
  command
      ->add_option("--format", options->format,
                   "jsonl, json, csv or sql, where the file's name does not "
                   "say it (default: jsonl)")
      ->check(CLI::IsMember({"jsonl", "json", "csv", "sql"}));
  command->add_option("--filter", options->filter,
                      "Only records that meet this filter");
  options->parameters.DeclareParameters(command);
  command->add_option("--fields", options->fields,
                      "Only these fields, separated by commas");
  command->add_option("--since", options->since,
                      "Only what was created or changed after this position, "
                      "which an earlier export ended with");
  command->footer(
      R"(The file is what import reads: ids and fields as they are, without what
Engram computes itself (generated, extracted and rolled-up fields), unless
--fields names it. SQL is for the sqlite3 shell, and has every field.

A file is there when it is complete. It is read piece by piece, so what is
written meanwhile may be in it. The position at the end is where the next
export goes on with --since; what was deleted it does not tell.

Examples:
  engramctl export notes -o notes.jsonl
  engramctl export notes -o notes.csv --filter 'stars >= :n' --param n=4
  engramctl export notes -o new.jsonl --since default@43af8f1c9d0e2b57.120
  engramctl export notes --format sql | sqlite3 notes.db)");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return Export(context, *options).Run();
    };
  });
}

}  // namespace engram::engramctl
