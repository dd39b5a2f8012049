#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/importer.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"
#include "tools/engramctl/waiting.h"

namespace engram::engramctl {
namespace {

using storage::v1::RecordService;
using storage::v1::WriteRequest;

constexpr int kBarCells = 20;

struct Options {
  std::string file;
  ImportOptions import;
  bool wait = false;
};

double PerSecond(int64_t amount, absl::Duration elapsed) {
  return static_cast<double>(amount) /
         std::max(0.001, absl::ToDoubleSeconds(elapsed));
}

// "[bar] 28,400 records  8,900/s  6.7 MB/s  0:04 left"; without a bar where the
// size of the input is not known.
std::string Describe(const ImportResult& so_far, int64_t total_bytes,
                     absl::Duration elapsed) {
  const double byte_rate = PerSecond(so_far.bytes, elapsed);
  std::string text = absl::StrCat(
      WithCommas(so_far.records), " records  ",
      WithCommas(static_cast<int64_t>(PerSecond(so_far.records, elapsed))),
      "/s  ", HumanBytes(static_cast<int64_t>(byte_rate)), "/s");
  if (total_bytes == 0) return text;
  const double left = static_cast<double>(total_bytes - so_far.bytes);
  return absl::StrCat(
      Bar(static_cast<double>(so_far.bytes) / total_bytes, kBarCells), " ",
      text, "  ",
      ClockTime(byte_rate > 0 ? absl::Seconds(left / byte_rate)
                              : absl::InfiniteDuration()),
      " left");
}

void PrintResult(const Console& console, const ImportResult& result,
                 absl::Duration elapsed) {
  console.out << absl::StrFormat(
      "%s records, %s in %.1f s (%s records/s, %s/s)\n",
      WithCommas(result.records), HumanBytes(result.bytes),
      absl::ToDoubleSeconds(elapsed),
      WithCommas(static_cast<int64_t>(PerSecond(result.records, elapsed))),
      HumanBytes(static_cast<int64_t>(PerSecond(result.bytes, elapsed))));
  if (!result.position.empty()) {
    console.out << "position " << result.position
                << " (search waits for it with --min-position)\n";
  }
}

JsonObject ResultAsJson(const ImportResult& result, absl::Duration elapsed) {
  return JsonObject()
      .Int("records", result.records)
      .Int("bytes", result.bytes)
      .Number("seconds", absl::ToDoubleSeconds(elapsed))
      .Number("records_per_second", PerSecond(result.records, elapsed))
      .Int("complete_to_line", result.complete_to_line)
      .Int("records_after", result.records_after)
      .Int("retries", result.retries)
      .Text("position", result.position);
}

// Says what an import that failed left behind.
void PrintPartialResult(const Console& console, const ImportResult& result) {
  console.err << WithCommas(result.records)
              << " records are stored: all up to line "
              << result.complete_to_line;
  if (result.records_after > 0) {
    console.err << ", and " << WithCommas(result.records_after)
                << " of the lines after it";
  }
  console.err << "\n";
}

absl::Status Load(Context& context, const Options& options,
                  ImportResult& result) {
  std::ifstream file;
  int64_t total_bytes = 0;
  const bool is_stream = options.file == "-";
  if (!is_stream) RETURN_IF_ERROR(OpenInput(options.file, file, total_bytes));
  // Asked before a line is read: a server that is not there, and a collection
  // that does not exist, are reported at once and not tried again.
  RETURN_IF_ERROR(FetchSchema(context, options.import.collection).status());

  ImportOptions import = options.import;
  import.database = context.database;
  import.input_name = is_stream ? "stdin" : options.file;
  Connection& connection = context.connection();
  Importer importer(import, [&connection](const WriteRequest& request) {
    return connection.Call(Role::kStorage, &RecordService::Stub::Write,
                           request);
  });
  LineReader lines(is_stream ? context.console.in : file);
  const absl::Time start = absl::Now();
  ProgressLine progress(context.console);
  absl::Status status = importer.Run(lines, [&](const ImportResult& so_far) {
    const absl::Time now = absl::Now();
    progress.Update(Describe(so_far, total_bytes, now - start), now);
  });
  result = importer.result();
  return status;
}

absl::Status Import(Context& context, const Options& options) {
  const Console& console = context.console;
  const absl::Time start = absl::Now();
  ImportResult result;
  absl::Status loaded = Load(context, options, result);
  const absl::Duration loading = absl::Now() - start;
  JsonObject summary = ResultAsJson(result, loading);
  if (!loaded.ok()) {
    if (console.json) {
      console.out << summary.Bool("complete", false).ToString() << "\n";
    } else if (result.records > 0) {
      PrintPartialResult(console, result);
    }
    return loaded;
  }
  if (!console.json) {
    PrintResult(console, result, loading);
    console.out.flush();  // Waiting may take long.
  }
  absl::Status searchable;
  if (options.wait && !result.position.empty()) {
    searchable =
        WaitUntilSearchable(context, context.database, result.position);
    if (searchable.ok()) {
      const absl::Duration all = absl::Now() - start;
      summary.Number("searchable_seconds", absl::ToDoubleSeconds(all));
      if (!console.json) {
        console.out << absl::StrFormat(
            "searchable %.1f s later, %.1f s after the start\n",
            absl::ToDoubleSeconds(all - loading), absl::ToDoubleSeconds(all));
      }
    }
  }
  if (console.json) {
    console.out << summary.Bool("complete", true).ToString() << "\n";
  }
  return searchable;
}

}  // namespace

void AddImportCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "import", "Store the lines of a JSONL file as records");
  auto options = std::make_shared<Options>();
  ImportOptions& import = options->import;
  command->add_option("COLLECTION", import.collection, "The collection")
      ->required();
  command
      ->add_option("FILE", options->file, "One JSON object a line; - is stdin")
      ->required();
  command
      ->add_option("--id-field", import.id_field, "The key that holds the id")
      ->capture_default_str();
  command->add_flag("--wait", options->wait,
                    "Then wait until everything can be found, and say how long "
                    "it took");
  command
      ->add_option("--batch-records", import.batch_records,
                   "Records in one write")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      ->add_option("--batch-bytes", import.batch_bytes,
                   "Bytes in one write; one record always fits")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
  command
      ->add_option("--in-flight", import.in_flight,
                   "Writes under way at once; more take more memory")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->footer(
      R"(Each line is an upsert: a record that exists gets the fields of the line and
keeps its others, so a repeat does no harm. A line without an id makes a new
record. The import stops at the first line that is wrong, names it, and has
stored every line before it.

Examples:
  engramctl import packages debian-packages.jsonl --wait
  zcat dump.jsonl.gz | engramctl import notes - --id-field note_id)");
  command->callback([&context, options] {
    context.action = [&context, options] { return Import(context, *options); };
  });
}

}  // namespace engram::engramctl
