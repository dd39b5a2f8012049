#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/add_command.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/generation_commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/model_change_commands.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::EmbeddingFailure;
using storage::v1::EmbeddingPause;
using storage::v1::EmbeddingUsage;
using storage::v1::FieldBacklog;
using storage::v1::UsageRow;
using storage::v1::VectorService;

constexpr int kPageSize = 500;

struct EmbedOptions {
  std::string collection;
  std::string field;
  std::vector<std::string> reasons;
  std::string contains;
  std::vector<std::string> ids;
  std::string provider;
  bool all = false;
  int64_t limit = 20;
  std::string since = "24h";
  std::string interval;
};

using Options = std::shared_ptr<EmbedOptions>;

absl::StatusOr<absl::Duration> ParseTime(absl::string_view option,
                                         const std::string& text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration()) {
    return duration;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(option, " wants a duration such as 24h, not ", text));
}

// How long `count` texts take at `rate` a second: 3m20s.
std::string LeftText(int64_t count, double rate) {
  if (count == 0) return "";
  if (rate <= 0) return "?";
  return DurationText(absl::Seconds(static_cast<double>(count) / rate));
}

// "FAILURE_REASON_TEXT_REFUSED" as "text_refused".
std::string ReasonText(storage::v1::FailureReason reason) {
  return absl::AsciiStrToLower(storage::v1::FailureReason_Name(reason).substr(
      std::string("FAILURE_REASON_").size()));
}

// Such as `database default, collection notes`.
std::string PauseText(const EmbeddingPause& pause) {
  std::vector<std::string> parts;
  const auto add = [&](absl::string_view name, const std::string& value) {
    if (!value.empty()) parts.push_back(absl::StrCat(name, " ", value));
  };
  add("database", pause.database());
  add("collection", pause.collection());
  add("provider", pause.provider());
  std::string text;
  for (const std::string& part : parts) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", part);
  }
  return text.empty() ? "everything" : text;
}

JsonObject PauseAsJson(const EmbeddingPause& pause) {
  return JsonObject()
      .Text("database", pause.database())
      .Text("collection", pause.collection())
      .Text("provider", pause.provider())
      .Text("create_time", TimestampText(pause.create_time()));
}

// --- Usage.

JsonObject UsageAsJson(const UsageRow& row) {
  const EmbeddingUsage& usage = row.usage();
  return JsonObject()
      .Text("database", row.database())
      .Text("provider", row.provider())
      .Text("model", row.model())
      .Text("start_time", TimestampText(row.start_time()))
      .Int("requests", usage.requests())
      .Int("texts", usage.texts())
      .Int("tokens", usage.tokens())
      .Int("cost_nanousd", usage.cost_nanousd());
}

absl::StatusOr<storage::v1::GetUsageResponse> FetchUsage(
    Context& context, const EmbedOptions& options) {
  storage::v1::GetUsageRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(const absl::Duration since,
                   ParseTime("--since", options.since));
  *request.mutable_start_time() =
      TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(absl::Now() - since));
  if (!options.interval.empty()) {
    ASSIGN_OR_RETURN(const absl::Duration interval,
                     ParseTime("--interval", options.interval));
    request.mutable_interval()->set_seconds(absl::ToInt64Seconds(interval));
  }
  return context.connection().Call(Role::kStorage,
                                   &VectorService::Stub::GetUsage, request);
}

void PrintUsage(const Console& console,
                const storage::v1::GetUsageResponse& response,
                bool with_start) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {{"DATABASE"},
                                        {"MODEL"},
                                        {"PROVIDER"},
                                        {"REQUESTS", Align::kRight},
                                        {"TEXTS", Align::kRight},
                                        {"TOKENS", Align::kRight},
                                        {"COST", Align::kRight}};
  if (with_start) columns.insert(columns.begin(), {"FROM"});
  Table table(columns);
  for (const UsageRow& row : response.rows()) {
    const EmbeddingUsage& usage = row.usage();
    std::vector<std::string> cells = {row.database(),
                                      row.model(),
                                      row.provider(),
                                      WithCommas(usage.requests()),
                                      WithCommas(usage.texts()),
                                      WithCommas(usage.tokens()),
                                      CostText(usage.cost_nanousd())};
    if (with_start) {
      cells.insert(cells.begin(), TimestampText(row.start_time()));
    }
    table.AddRow(std::move(cells));
  }
  PrintTable(console, table);
}

absl::Status ShowUsage(Context& context, const EmbedOptions& options) {
  ASSIGN_OR_RETURN(const auto response, FetchUsage(context, options));
  if (!context.console.json) {
    PrintUsage(context.console, response, !options.interval.empty());
    return absl::OkStatus();
  }
  for (const UsageRow& row : response.rows()) {
    context.console.out << UsageAsJson(row).ToString() << "\n";
  }
  return absl::OkStatus();
}

// --- Status.

JsonObject BacklogAsJson(const FieldBacklog& field) {
  return JsonObject()
      .Text("database", field.database())
      .Text("collection", field.collection())
      .Text("vector_field", field.vector_field())
      .Int("generation", field.generation())
      .Text("model", field.model())
      .Int("pending", field.pending())
      .Int("backlog", field.backlog())
      .Int("failed", field.failed())
      .Bool("paused", field.paused())
      .Number("rate", field.rate());
}

void PrintBacklog(const Console& console,
                  const storage::v1::GetBacklogResponse& response) {
  using Align = Table::Align;
  Table table({{"DATABASE"},
               {"COLLECTION"},
               {"VECTORS"},
               {"MODEL"},
               {"PENDING", Align::kRight},
               {"BACKLOG", Align::kRight},
               {"FAILED", Align::kRight},
               {"RATE", Align::kRight},
               {"LEFT", Align::kRight}});
  for (const FieldBacklog& field : response.fields()) {
    table.AddRow(
        {field.database(),
         absl::StrCat(field.collection(), field.paused() ? " (paused)" : ""),
         field.vector_field(), field.model(), WithCommas(field.pending()),
         WithCommas(field.backlog()), WithCommas(field.failed()),
         absl::StrFormat("%.1f/s", field.rate()),
         LeftText(field.pending(), field.rate())});
  }
  PrintTable(console, table);
  for (const EmbeddingPause& pause : response.pauses()) {
    console.out << "paused since " << TimestampText(pause.create_time()) << ": "
                << PauseText(pause) << "\n";
  }
}

absl::Status ShowStatus(Context& context, const EmbedOptions& options) {
  storage::v1::GetBacklogRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(
      const auto backlog,
      context.connection().Call(Role::kStorage,
                                &VectorService::Stub::GetBacklog, request));
  ASSIGN_OR_RETURN(const auto usage, FetchUsage(context, options));
  if (!context.console.json) {
    PrintBacklog(context.console, backlog);
    if (usage.rows().empty()) return absl::OkStatus();
    context.console.out << "\nUsed in the last " << options.since << ":\n";
    PrintUsage(context.console, usage, /*with_start=*/false);
    return absl::OkStatus();
  }
  std::vector<JsonObject> fields;
  for (const FieldBacklog& field : backlog.fields()) {
    fields.push_back(BacklogAsJson(field));
  }
  std::vector<JsonObject> pauses;
  for (const EmbeddingPause& pause : backlog.pauses()) {
    pauses.push_back(PauseAsJson(pause));
  }
  std::vector<JsonObject> rows;
  for (const UsageRow& row : usage.rows()) rows.push_back(UsageAsJson(row));
  context.console.out << JsonObject()
                             .List("fields", fields)
                             .List("pauses", pauses)
                             .List("usage", rows)
                             .ToString()
                      << "\n";
  return absl::OkStatus();
}

// --- Failures.

absl::Status FillFilter(const EmbedOptions& options,
                        storage::v1::FailureFilter* filter) {
  filter->set_collection(options.collection);
  filter->set_vector_field(options.field);
  filter->set_contains(options.contains);
  filter->mutable_ids()->Add(options.ids.begin(), options.ids.end());
  for (const std::string& text : options.reasons) {
    storage::v1::FailureReason reason = storage::v1::FAILURE_REASON_UNSPECIFIED;
    if (!storage::v1::FailureReason_Parse(
            "FAILURE_REASON_" + absl::AsciiStrToUpper(text), &reason) ||
        reason == storage::v1::FAILURE_REASON_UNSPECIFIED) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--reason ", text, ": give text_refused or answer_unusable"));
    }
    filter->add_reasons(reason);
  }
  return absl::OkStatus();
}

// Calls `visit` with up to `limit` failures, 0 is all, page by page.
absl::Status VisitFailures(
    Context& context, const EmbedOptions& options,
    absl::FunctionRef<void(const EmbeddingFailure&)> visit) {
  storage::v1::ListFailuresRequest request;
  request.set_database(context.database);
  RETURN_IF_ERROR(FillFilter(options, request.mutable_filter()));
  int64_t left = options.limit;
  do {
    request.set_page_size(
        options.limit == 0
            ? kPageSize
            : static_cast<int>(std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(
        const auto response,
        context.connection().Call(Role::kStorage,
                                  &VectorService::Stub::ListFailures, request));
    for (const EmbeddingFailure& failure : response.failures()) visit(failure);
    left -= response.failures_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  return absl::OkStatus();
}

absl::Status ListFailures(Context& context, const EmbedOptions& options) {
  if (context.console.json) {
    return VisitFailures(
        context, options, [&](const EmbeddingFailure& failure) {
          context.console.out
              << JsonObject()
                     .Text("collection", failure.collection())
                     .Text("id", failure.id())
                     .Text("vector_field", failure.vector_field())
                     .Int("generation", failure.generation())
                     .Text("model", failure.model())
                     .Text("reason", ReasonText(failure.reason()))
                     .Text("message", failure.message())
                     .Int("attempts", failure.attempts())
                     .Text("fail_time", TimestampText(failure.fail_time()))
                     .ToString()
              << "\n";
        });
  }
  Table table({{"COLLECTION"},
               {"ID"},
               {"VECTORS"},
               {"REASON"},
               {"TRIED", Table::Align::kRight},
               {"LAST"},
               {"MESSAGE"}});
  RETURN_IF_ERROR(
      VisitFailures(context, options, [&](const EmbeddingFailure& failure) {
        table.AddRow(
            {failure.collection(), failure.id(), failure.vector_field(),
             ReasonText(failure.reason()), absl::StrCat(failure.attempts()),
             TimestampText(failure.fail_time()), OneLine(failure.message())});
      }));
  PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::Status RetryFailures(Context& context, const EmbedOptions& options) {
  storage::v1::RetryFailuresRequest request;
  request.set_database(context.database);
  RETURN_IF_ERROR(FillFilter(options, request.mutable_filter()));
  if (request.filter().ByteSizeLong() == 0 && !options.all) {
    return absl::InvalidArgumentError(
        "say which failures: a collection, --field, --reason, --contains, "
        "--id, or --all");
  }
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(Role::kStorage,
                                &VectorService::Stub::RetryFailures, request));
  if (context.console.json) {
    context.console.out
        << JsonObject().Int("retried", response.retried()).ToString() << "\n";
  } else {
    context.console.out << "retried    " << WithCommas(response.retried())
                        << "\n";
  }
  return absl::OkStatus();
}

// --- Pauses.

absl::Status SetPause(Context& context, const EmbedOptions& options,
                      bool paused) {
  storage::v1::SetPauseRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_provider(options.provider);
  request.set_paused(paused);
  if (!options.collection.empty() && context.database.empty()) {
    request.set_database("default");
  }
  if (request.database().empty() && request.provider().empty() &&
      !options.all) {
    return absl::InvalidArgumentError(
        "say what: a collection, --provider, --database before the command, or "
        "--all");
  }
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(Role::kStorage, &VectorService::Stub::SetPause,
                                request));
  if (context.console.json) {
    std::vector<JsonObject> pauses;
    for (const EmbeddingPause& pause : response.pauses()) {
      pauses.push_back(PauseAsJson(pause));
    }
    context.console.out << JsonObject().List("pauses", pauses).ToString()
                        << "\n";
    return absl::OkStatus();
  }
  EmbeddingPause changed;
  changed.set_database(request.database());
  changed.set_collection(request.collection());
  changed.set_provider(request.provider());
  context.console.out << (paused ? "paused     " : "resumed    ")
                      << PauseText(changed) << "\n";
  return absl::OkStatus();
}

// --- Commands.

void AddSince(CLI::App* command, const Options& options) {
  command
      ->add_option("--since", options->since,
                   "How far back usage is summed up, by whole hours")
      ->capture_default_str();
}

void AddFilter(CLI::App* command, const Options& options) {
  command->add_option("COLLECTION", options->collection,
                      "Only failures of this collection");
  command->add_option("--field", options->field, "Only of this vector field");
  command
      ->add_option("--reason", options->reasons,
                   "Only for this reason: text_refused, answer_unusable")
      ->delimiter(',');
  command->add_option("--contains", options->contains,
                      "Only where the provider's words contain this");
  command->add_option("--id", options->ids, "Only of these records");
}

void AddReadingCommands(CLI::App* embed, Context& context,
                        const Options& options) {
  CLI::App* status = AddCommand(
      embed, context, options, "status",
      "Show what waits to be embedded, how fast it goes, and what it cost",
      ShowStatus);
  AddSince(status, options);
  status->footer(R"(Of every database, or of the one that --database names.

Examples:
  engramctl embed status
  watch engramctl --database notes embed status)");
  CLI::App* usage =
      AddCommand(embed, context, options, "usage",
                 "Show requests, texts, tokens and cost", ShowUsage);
  AddSince(usage, options);
  usage->add_option("--interval", options->interval,
                    "One row for each such time: whole hours");
  usage->footer(R"(Of every database, or of the one that --database names.

Examples:
  engramctl embed usage --since 720h --interval 24h
  engramctl embed usage --json)");
  CLI::App* failures = AddCommand(
      embed, context, options, "failures",
      "List texts that could not be embedded, and why", ListFailures);
  AddFilter(failures, options);
  failures->add_option("--limit", options->limit, "The most; 0 is all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  failures->footer(R"(Examples:
  engramctl embed failures
  engramctl embed failures notes --contains "too long" --limit 0 --json)");
}

void AddChangingCommands(CLI::App* embed, Context& context,
                         const Options& options) {
  CLI::App* retry =
      AddCommand(embed, context, options, "retry",
                 "Have texts embedded again that could not be", RetryFailures);
  AddFilter(retry, options);
  retry->add_flag("--all", options->all, "Every failure of the database");
  retry->footer(R"(Examples:
  engramctl embed retry notes --contains "quota"
  engramctl embed retry --all)");
  for (const bool paused : {true, false}) {
    CLI::App* command = embed->add_subcommand(
        paused ? "pause" : "resume",
        paused ? "Stop embedding a collection, a database, or by a provider"
               : "Go on with what was paused");
    command->add_option("COLLECTION", options->collection,
                        "The collection, of --database");
    command->add_option("--provider", options->provider,
                        "Only by this provider, such as openai");
    command->add_flag("--all", options->all, "Everything, by everybody");
    command->footer(
        paused
            ? R"(Records are written all the same; their texts wait. Texts that are at a provider
already are stored.

Examples:
  engramctl embed pause notes
  engramctl embed pause --provider openai
  engramctl --database team embed pause)"
            : R"(Give the same as to pause.

Examples:
  engramctl embed resume notes
  engramctl embed resume --provider openai)");
    command->callback([&context, options, paused] {
      context.action = [&context, options, paused] {
        return SetPause(context, *options, paused);
      };
    });
  }
}

}  // namespace

void AddEmbedCommand(CLI::App& app, Context& context) {
  CLI::App* embed =
      app.add_subcommand("embed", "Look after texts that wait to be embedded");
  embed->require_subcommand(1);
  const auto options = std::make_shared<EmbedOptions>();
  AddReadingCommands(embed, context, options);
  AddChangingCommands(embed, context, options);
  AddGenerationCommands(embed, context);
  AddModelChangeCommands(embed, context);
}

}  // namespace engram::engramctl
