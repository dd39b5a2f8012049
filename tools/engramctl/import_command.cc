#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/import_journal.h"
#include "tools/engramctl/importer.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/record_source.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"
#include "tools/engramctl/waiting.h"

namespace engram::engramctl {
namespace {

using storage::v1::DatabaseService;
using storage::v1::DatabaseServiceGetRequest;
using storage::v1::DatabaseServiceGetResponse;
using storage::v1::RecordService;
using storage::v1::WriteRequest;

constexpr int kBarCells = 20;

struct Options {
  std::string file;
  ImportOptions import;
  // Empty: the file's name says it.
  std::string format;
  // Empty: beside the file.
  std::string rejects;
  std::string state;
  bool resume = false;
  bool wait = false;
};

// What an import did, and where its rejects are.
struct Outcome {
  ImportResult result;
  // Of `result`, what an earlier import did that this one went on from.
  ImportResult before;
  std::string rejects_path;
};

double PerSecond(int64_t amount, absl::Duration elapsed) {
  return static_cast<double>(amount) /
         std::max(0.001, absl::ToDoubleSeconds(elapsed));
}

// "[bar] 28,400 records, 3 rejected  8,900/s  6.7 MB/s  0:04 left"; without a
// bar where the size of the input is not known.
std::string Describe(const ImportResult& so_far, const ImportResult& before,
                     int64_t total_bytes, absl::Duration elapsed) {
  const double byte_rate = PerSecond(so_far.bytes - before.bytes, elapsed);
  std::string text = absl::StrCat(WithCommas(so_far.records), " records");
  if (so_far.rejected > 0) {
    absl::StrAppend(&text, ", ", WithCommas(so_far.rejected), " rejected");
  }
  absl::StrAppend(&text, "  ",
                  WithCommas(static_cast<int64_t>(
                      PerSecond(so_far.records - before.records, elapsed))),
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

void PrintResult(const Console& console, const Outcome& outcome,
                 absl::Duration elapsed) {
  const ImportResult& result = outcome.result;
  const int64_t records = result.records - outcome.before.records;
  const int64_t bytes = result.bytes - outcome.before.bytes;
  console.out << absl::StrFormat(
      "%s records, %s in %.1f s (%s records/s, %s/s)\n", WithCommas(records),
      HumanBytes(bytes), absl::ToDoubleSeconds(elapsed),
      WithCommas(static_cast<int64_t>(PerSecond(records, elapsed))),
      HumanBytes(static_cast<int64_t>(PerSecond(bytes, elapsed))));
  if (outcome.before.line > 0) {
    console.out << WithCommas(outcome.before.records)
                << " more had been imported before\n";
  }
  if (result.rejected > 0) {
    console.out << WithCommas(result.rejected) << " rejected: see "
                << outcome.rejects_path << "\n";
  }
  if (!result.position.empty()) {
    console.out << "position " << result.position
                << " (search waits for it with --min-position)\n";
  }
}

JsonObject ResultAsJson(const Outcome& outcome, absl::Duration elapsed) {
  const ImportResult& result = outcome.result;
  JsonObject object;
  object.Int("records", result.records)
      .Int("rejected", result.rejected)
      .Int("bytes", result.bytes)
      .Number("seconds", absl::ToDoubleSeconds(elapsed))
      .Number("records_per_second",
              PerSecond(result.records - outcome.before.records, elapsed))
      .Int("complete_to_line", result.line)
      .Int("retries", result.retries)
      .Text("position", result.position);
  if (result.rejected > 0) object.Text("rejects", outcome.rejects_path);
  return object;
}

// Says what an import that failed left behind.
void PrintPartialResult(const Console& console, const Outcome& outcome,
                        bool resumable) {
  console.err << WithCommas(outcome.result.records) << " records are stored";
  if (outcome.result.rejected > 0) {
    console.err << " and " << WithCommas(outcome.result.rejected)
                << " rejected (" << outcome.rejects_path << ")";
  }
  console.err << ", all up to line " << outcome.result.line;
  if (resumable) console.err << "; --resume goes on from there";
  console.err << "\n";
}

// A file that can be read again, from its beginning.
bool IsRegularFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

JournalOptions JournalFor(const Context& context, const Options& options) {
  JournalOptions journal;
  const bool is_file = options.file != "-" && IsRegularFile(options.file);
  journal.resume = options.resume;
  if (is_file) {
    journal.state_path =
        options.state.empty() ? options.file + ".import-state" : options.state;
    // Where nobody asked for it, a folder that is read-only is no obstacle.
    journal.state_is_optional = options.state.empty() && !options.resume;
  }
  journal.rejects_path = options.rejects;
  if (options.rejects.empty()) {
    journal.replaces_rejects = is_file;
    journal.rejects_path = absl::StrCat(
        is_file ? options.file : options.import.collection, ".rejects.jsonl");
  }
  // Other batches would have other request ids.
  journal.identity = absl::StrCat(
      context.database.empty() ? "default" : context.database, "/",
      options.import.collection, " id=", options.import.id_field,
      " batch=", options.import.batch_records, "/", options.import.batch_bytes);
  return journal;
}

class Import {
 public:
  Import(Context& context, const Options& options)
      : context_(context), console_(context.console), options_(options) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Open());
    const absl::Time start = absl::Now();
    absl::Status status = Load(start);
    const absl::Duration loading = absl::Now() - start;
    // Of two errors the first says more.
    const absl::Status ended =
        status.ok() ? journal_->Complete() : journal_->Stop();
    if (status.ok()) status = ended;
    JsonObject summary = ResultAsJson(outcome_, loading);
    if (!status.ok()) {
      if (console_.json) {
        console_.out << summary.Bool("complete", false).ToString() << "\n";
      } else {
        PrintPartialResult(console_, outcome_,
                           is_file_ && journal_->resumable().ok());
      }
      return status;
    }
    if (outcome_.result.rejected > 0) context_.exit_code = kExitFindings;
    if (!console_.json) {
      PrintResult(console_, outcome_, loading);
      console_.out.flush();  // Waiting may take long.
    }
    if (options_.wait && !outcome_.result.position.empty()) {
      RETURN_IF_ERROR(Wait(start, loading, summary));
    }
    if (console_.json) {
      console_.out << summary.Bool("complete", true).ToString() << "\n";
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Open() {
    if (options_.file != "-") {
      RETURN_IF_ERROR(OpenInput(options_.file, file_, total_bytes_));
    }
    is_file_ = options_.file != "-" && IsRegularFile(options_.file);
    if (options_.resume && !is_file_) {
      return absl::InvalidArgumentError(
          "--resume wants a file, which can be read from its beginning");
    }
    // Asked before a record is read: a server that is not there, and a
    // collection that does not exist, are reported at once.
    ASSIGN_OR_RETURN(spec_, FetchSchema(context_, options_.import.collection));
    auto source = OpenRecordSource(
        FormatOf(options_.format.empty() ? options_.file
                                         : "." + options_.format),
        options_.file == "-" ? console_.in : file_, spec_,
        options_.import.id_field);
    if (!source.ok()) return WithContext(source.status(), InputName());
    source_ = *std::move(source);
    ASSIGN_OR_RETURN(journal_,
                     ImportJournal::Open(JournalFor(context_, options_)));
    outcome_.before = outcome_.result = journal_->start().done;
    RETURN_IF_ERROR(CheckDatabase());
    outcome_.rejects_path = journal_->rejects_path();
    if (!journal_->resumable().ok() && !console_.json) {
      console_.err << "it could not be resumed if it were interrupted: "
                   << journal_->resumable().message()
                   << " (--state names another place)\n";
    }
    return absl::OkStatus();
  }

  // What an earlier import stored must still be there: not so in a database
  // that was created again, or restored.
  absl::Status CheckDatabase() {
    if (outcome_.before.position.empty()) return absl::OkStatus();
    DatabaseServiceGetRequest request;
    request.set_database(context_.database);
    ASSIGN_OR_RETURN(const DatabaseServiceGetResponse response,
                     context_.connection().Call(
                         Role::kStorage, &DatabaseService::Stub::Get, request));
    ASSIGN_OR_RETURN(const Position now,
                     Position::Parse(response.database().position()));
    ASSIGN_OR_RETURN(const Position before,
                     Position::Parse(outcome_.before.position));
    if (now.epoch == before.epoch) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_EPOCH_CHANGED,
        absl::StrCat("the database is not what the import went into: it was "
                     "created again or restored since; to begin again remove ",
                     journal_->state_path()));
  }

  std::string InputName() const {
    return options_.file == "-" ? "stdin" : options_.file;
  }

  absl::Status Load(absl::Time start) {
    ImportOptions import = options_.import;
    import.database = context_.database;
    import.input_name = InputName();
    Connection& connection = context_.connection();
    Importer importer(
        import, journal_->start(), spec_,
        [&connection](const WriteRequest& request) {
          return connection.Call(Role::kStorage, &RecordService::Stub::Write,
                                 request);
        },
        [this](const std::vector<RejectedRecord>& rejects,
               const ImportResult& done) {
          return journal_->Commit(rejects, done);
        });
    ProgressLine progress(console_);
    const absl::Status status =
        importer.Run(*source_, [&](const ImportResult& so_far) {
          const absl::Time now = absl::Now();
          progress.Update(
              Describe(so_far, outcome_.before, total_bytes_, now - start),
              now);
        });
    outcome_.result = importer.result();
    return status;
  }

  absl::Status Wait(absl::Time start, absl::Duration loading,
                    JsonObject& summary) {
    const absl::Status searchable = WaitUntilSearchable(
        context_, context_.database, outcome_.result.position);
    if (!searchable.ok()) {
      if (console_.json) {
        console_.out << summary.Bool("complete", true).ToString() << "\n";
      }
      return searchable;
    }
    const absl::Duration all = absl::Now() - start;
    summary.Number("searchable_seconds", absl::ToDoubleSeconds(all));
    if (!console_.json) {
      console_.out << absl::StrFormat(
          "searchable %.1f s later, %.1f s after the start\n",
          absl::ToDoubleSeconds(all - loading), absl::ToDoubleSeconds(all));
    }
    return absl::OkStatus();
  }

  Context& context_;
  Console& console_;
  const Options& options_;
  std::ifstream file_;
  int64_t total_bytes_ = 0;
  bool is_file_ = false;
  schema::CollectionSpec spec_;
  std::unique_ptr<RecordSource> source_;
  std::unique_ptr<ImportJournal> journal_;
  Outcome outcome_;
};

}  // namespace

void AddImportCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "import", "Store the records of a JSONL, JSON or CSV file");
  auto options = std::make_shared<Options>();
  ImportOptions& import = options->import;
  command->add_option("COLLECTION", import.collection, "The collection")
      ->required();
  command
      ->add_option("FILE", options->file,
                   "One JSON object a line, or .json: an array of them, or "
                   ".csv; - is stdin")
      ->required();
  command
      ->add_option("--format", options->format,
                   "jsonl, json or csv, where the file's name does not say it")
      ->check(CLI::IsMember({"jsonl", "json", "csv"}));
  command
      ->add_option("--id-field", import.id_field, "The key that holds the id")
      ->capture_default_str();
  command->add_option("--rejects", options->rejects,
                      "Where rejected records go (default: "
                      "FILE.rejects.jsonl)");
  command->add_flag("--resume", options->resume,
                    "Go on where an import of this file was interrupted");
  command->add_option("--state", options->state,
                      "Where it keeps how far it came (default: "
                      "FILE.import-state)");
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
      R"(Each record is an upsert: one that exists gets the fields of the input and
keeps its others, by their merge rules. A record without an id is found by a
unique key, or new. The result is as if records were written one by one in the
order of the file.

What cannot be read or is refused is written to a file of its own, one JSON
object a line with line, reason and text, and the import goes on; it ends with
code 3 then. An import that was interrupted goes on with --resume: no record is
written twice, none is left out.

The first line of a CSV names the fields. Its values are read as their fields
want them; an empty one is no value, lists and json are JSON.

Examples:
  engramctl import packages debian-packages.jsonl --wait
  engramctl import notes notes.csv --id-field note_id
  engramctl import notes notes.csv --resume
  zcat dump.jsonl.gz | engramctl import notes - --rejects bad.jsonl)");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return Import(context, *options).Run();
    };
  });
}

}  // namespace engram::engramctl
