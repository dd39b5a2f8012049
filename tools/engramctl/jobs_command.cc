#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "engram/storage/v1/job.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/add_command.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Duration;
using storage::v1::Job;
using storage::v1::JobService;
using storage::v1::QueueRates;
using storage::v1::QueueStats;

constexpr int kPageSize = 500;

struct JobOptions {
  std::vector<std::string> queues;
  std::string queue;
  std::vector<int64_t> ids;
  std::vector<std::string> states;
  int64_t limit = 20;
  std::string window = "1h";
  std::string payload;
  int priority = 0;
  int max_attempts = 0;
  std::string delay;
  std::string backoff;
  std::string keep;
  std::string key;
  std::vector<int64_t> after;
  std::string request_id;
};

using Options = std::shared_ptr<JobOptions>;

// "STATE_READY" as "ready".
std::string StateText(Job::State state) {
  return absl::AsciiStrToLower(
      Job::State_Name(state).substr(std::string("STATE_").size()));
}

absl::StatusOr<Job::State> ParseState(const std::string& text) {
  Job::State state = Job::STATE_UNSPECIFIED;
  if (Job::State_Parse("STATE_" + absl::AsciiStrToUpper(text), &state) &&
      state != Job::STATE_UNSPECIFIED) {
    return state;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--state ", text,
                   ": give ready, scheduled, blocked, running, succeeded, "
                   "dead or cancelled"));
}

absl::Status ParseDuration(absl::string_view option, const std::string& text,
                           Duration* out) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) {
    return absl::InvalidArgumentError(absl::StrCat(
        option, " wants a duration such as 10s or 1h30m, not ", text));
  }
  out->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(duration)));
  return absl::OkStatus();
}

double Seconds(const Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() * 1e-9;
}

// With as many digits as people look at: 12ms, 3.4s, 5m20s, 2h15m.
std::string ShortText(const Duration& sent) {
  const absl::Duration duration =
      absl::Seconds(sent.seconds()) + absl::Nanoseconds(sent.nanos());
  const absl::Duration unit = duration >= absl::Hours(1)     ? absl::Minutes(1)
                              : duration >= absl::Minutes(1) ? absl::Seconds(1)
                              : duration >= absl::Seconds(1)
                                  ? absl::Milliseconds(100)
                                  : absl::Milliseconds(1);
  return absl::FormatDuration(absl::Trunc(duration, unit));
}

// Statistics.

JsonObject RatesAsJson(const QueueRates& rates) {
  JsonObject json;
  json.Text("start_time", TimestampText(rates.start_time()))
      .Int("enqueued", rates.enqueued())
      .Int("leased", rates.leased())
      .Int("succeeded", rates.succeeded())
      .Int("failed", rates.failed())
      .Int("died", rates.died());
  if (rates.has_mean_wait()) {
    json.Number("mean_wait_seconds", Seconds(rates.mean_wait()));
  }
  if (rates.has_mean_run()) {
    json.Number("mean_run_seconds", Seconds(rates.mean_run()));
  }
  return json;
}

JsonObject StatsAsJson(const QueueStats& stats) {
  JsonObject json;
  json.Text("queue", stats.queue())
      .Bool("paused", stats.paused())
      .Int("ready", stats.ready())
      .Int("scheduled", stats.scheduled())
      .Int("blocked", stats.blocked())
      .Int("running", stats.running())
      .Int("succeeded", stats.succeeded())
      .Int("dead", stats.dead())
      .Int("cancelled", stats.cancelled());
  if (stats.has_oldest_ready()) {
    json.Number("oldest_ready_seconds", Seconds(stats.oldest_ready()));
  }
  std::vector<JsonObject> minutes;
  for (const QueueRates& minute : stats.minutes()) {
    minutes.push_back(RatesAsJson(minute));
  }
  return json.Object("window", RatesAsJson(stats.window()))
      .List("minutes", minutes);
}

// What waits and runs, and, right of it, what happened in the window.
void PrintStats(const Console& console,
                const storage::v1::JobServiceStatsResponse& response,
                const std::string& window) {
  using Align = Table::Align;
  Table table({{"QUEUE"},
               {"READY", Align::kRight},
               {"OLDEST", Align::kRight},
               {"SCHEDULED", Align::kRight},
               {"BLOCKED", Align::kRight},
               {"RUNNING", Align::kRight},
               {"DEAD", Align::kRight},
               {"ADDED", Align::kRight},
               {"DONE", Align::kRight},
               {"FAILED", Align::kRight},
               {"DIED", Align::kRight},
               {"WAIT", Align::kRight},
               {"RUN", Align::kRight}});
  for (const QueueStats& stats : response.queues()) {
    const QueueRates& rates = stats.window();
    table.AddRow(
        {absl::StrCat(stats.queue(), stats.paused() ? " (paused)" : ""),
         WithCommas(stats.ready()),
         stats.has_oldest_ready() ? ShortText(stats.oldest_ready()) : "",
         WithCommas(stats.scheduled()), WithCommas(stats.blocked()),
         WithCommas(stats.running()), WithCommas(stats.dead()),
         WithCommas(rates.enqueued()), WithCommas(rates.succeeded()),
         WithCommas(rates.failed()), WithCommas(rates.died()),
         rates.has_mean_wait() ? ShortText(rates.mean_wait()) : "",
         rates.has_mean_run() ? ShortText(rates.mean_run()) : ""});
  }
  PrintTable(console, table);
  if (!table.empty()) {
    console.out << "ADDED to RUN are of the last " << window
                << "; WAIT and RUN are means.\n";
  }
}

absl::Status ShowStats(Context& context, const JobOptions& options) {
  storage::v1::JobServiceStatsRequest request;
  request.set_database(context.database);
  request.mutable_queues()->Add(options.queues.begin(), options.queues.end());
  RETURN_IF_ERROR(
      ParseDuration("--window", options.window, request.mutable_window()));
  ASSIGN_OR_RETURN(const auto response,
                   context.connection().Call(
                       Role::kStorage, &JobService::Stub::Stats, request));
  if (!context.console.json) {
    PrintStats(context.console, response, options.window);
    return absl::OkStatus();
  }
  for (const QueueStats& stats : response.queues()) {
    context.console.out << StatsAsJson(stats).ToString() << "\n";
  }
  return absl::OkStatus();
}

// Jobs.

JsonObject SpecAsJson(const storage::v1::JobSpec& spec) {
  JsonObject json;
  json.Text("queue", spec.queue());
  if (spec.has_payload()) json.Struct("payload", spec.payload());
  json.Int("priority", spec.priority());
  if (spec.has_delay()) json.Number("delay_seconds", Seconds(spec.delay()));
  json.Text("unique_key", spec.unique_key());
  std::vector<std::string> after;
  for (const int64_t id : spec.after()) after.push_back(absl::StrCat(id));
  return json.Texts("after", after)
      .Int("max_attempts", spec.max_attempts())
      .Number("backoff_seconds", Seconds(spec.backoff()))
      .Number("max_backoff_seconds", Seconds(spec.max_backoff()))
      .Number("keep_seconds", Seconds(spec.keep()))
      .Number("keep_dead_seconds", Seconds(spec.keep_dead()));
}

JsonObject JobAsJson(const Job& job) {
  JsonObject json;
  json.Int("id", job.id())
      .Text("state", StateText(job.state()))
      .Object("spec", SpecAsJson(job.spec()))
      .Int("attempt", job.attempt())
      .Text("holder", job.holder())
      .Number("progress", job.progress());
  if (job.has_result()) json.Struct("result", job.result());
  std::vector<JsonObject> failures;
  for (const auto& failure : job.failures()) {
    failures.push_back(JsonObject()
                           .Int("attempt", failure.attempt())
                           .Text("message", failure.message())
                           .Text("time", TimestampText(failure.time())));
  }
  json.List("failures", failures);
  const auto time = [&](absl::string_view key, bool is_set,
                        const google::protobuf::Timestamp& timestamp) {
    if (is_set) json.Text(key, TimestampText(timestamp));
  };
  time("create_time", job.has_create_time(), job.create_time());
  time("ready_time", job.has_ready_time(), job.ready_time());
  time("start_time", job.has_start_time(), job.start_time());
  time("lease_expire_time", job.has_lease_expire_time(),
       job.lease_expire_time());
  time("end_time", job.has_end_time(), job.end_time());
  return json;
}

// What is worth knowing of a job first: what went wrong, who has it, or what it
// waits for.
std::string NoteText(const Job& job) {
  if (job.state() == Job::STATE_RUNNING) {
    return absl::StrCat(
        job.holder(),
        job.progress() > 0
            ? absl::StrCat(", ", static_cast<int>(job.progress() * 100), " %")
            : "");
  }
  if (job.state() == Job::STATE_BLOCKED) {
    return absl::StrCat("after ", absl::StrJoin(job.spec().after(), ", "));
  }
  if (job.state() == Job::STATE_SUCCEEDED || job.failures().empty()) return "";
  return job.failures(0).message();
}

// Calls `visit` with up to `limit` jobs, 0 is all, page by page.
absl::Status VisitJobs(Context& context, const JobOptions& options,
                       absl::FunctionRef<void(const Job&)> visit) {
  storage::v1::JobServiceListRequest request;
  request.set_database(context.database);
  request.set_queue(options.queue);
  for (const std::string& text : options.states) {
    ASSIGN_OR_RETURN(const Job::State state, ParseState(text));
    request.add_states(state);
  }
  int64_t left = options.limit;
  do {
    request.set_page_size(
        options.limit == 0
            ? kPageSize
            : static_cast<int>(std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(const auto response,
                     context.connection().Call(
                         Role::kStorage, &JobService::Stub::List, request));
    for (const Job& job : response.jobs()) visit(job);
    left -= response.jobs_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  return absl::OkStatus();
}

absl::Status ListJobs(Context& context, const JobOptions& options) {
  if (context.console.json) {
    return VisitJobs(context, options, [&](const Job& job) {
      context.console.out << JobAsJson(job).ToString() << "\n";
    });
  }
  Table table({{"ID", Table::Align::kRight},
               {"QUEUE"},
               {"STATE"},
               {"ATTEMPT", Table::Align::kRight},
               {"KEY"},
               {"ADDED"},
               {"NOTE"}});
  RETURN_IF_ERROR(VisitJobs(context, options, [&](const Job& job) {
    table.AddRow({absl::StrCat(job.id()), job.spec().queue(),
                  StateText(job.state()),
                  absl::StrCat(job.attempt(), "/", job.spec().max_attempts()),
                  job.spec().unique_key(), TimestampText(job.create_time()),
                  NoteText(job)});
  }));
  PrintTable(context.console, table);
  return absl::OkStatus();
}

// One fact a paragraph, beside its name.
void PrintJob(const Console& console, const Job& job) {
  constexpr int kIndent = 11;
  const auto print = [&](absl::string_view name, const std::string& text) {
    if (text.empty()) return;
    std::string label(name);
    for (const std::string& line :
         Wrap(text, console.out_terminal.width - kIndent)) {
      const std::string padding(kIndent - label.size(), ' ');
      console.out << console.Bold(label) << padding << line << "\n";
      label.clear();
    }
  };
  const auto time = [&](absl::string_view name, bool is_set,
                        const google::protobuf::Timestamp& timestamp) {
    if (is_set) print(name, TimestampText(timestamp));
  };
  const auto json = [&](absl::string_view name, bool is_set,
                        const google::protobuf::Struct& object) {
    std::string text;
    if (is_set) json::AppendJson(object, &text);
    print(name, text);
  };
  print("id", absl::StrCat(job.id()));
  print("queue", job.spec().queue());
  print("state", StateText(job.state()));
  print("attempt", absl::StrCat(job.attempt(), ", at most ",
                                job.spec().max_attempts(), " failures"));
  print("priority", absl::StrCat(job.spec().priority()));
  print("key", job.spec().unique_key());
  print("after", absl::StrJoin(job.spec().after(), ", "));
  json("payload", job.spec().has_payload(), job.spec().payload());
  print("holder", job.holder());
  if (job.state() == Job::STATE_RUNNING) {
    print("progress",
          absl::StrCat(static_cast<int>(job.progress() * 100), " %"));
  }
  json("result", job.has_result(), job.result());
  time("added", job.has_create_time(), job.create_time());
  time("ready", job.has_ready_time(), job.ready_time());
  time("started", job.has_start_time(), job.start_time());
  time("lease", job.has_lease_expire_time(), job.lease_expire_time());
  time("ended", job.has_end_time(), job.end_time());
  for (const auto& failure : job.failures()) {
    print("failure",
          absl::StrCat(failure.attempt(), ", ", TimestampText(failure.time()),
                       ": ", failure.message()));
  }
}

absl::Status ShowJob(Context& context, const JobOptions& options) {
  storage::v1::JobServiceGetRequest request;
  request.set_database(context.database);
  request.set_id(options.ids.at(0));
  ASSIGN_OR_RETURN(const auto response,
                   context.connection().Call(Role::kStorage,
                                             &JobService::Stub::Get, request));
  if (context.console.json) {
    context.console.out << JobAsJson(response.job()).ToString() << "\n";
  } else {
    PrintJob(context.console, response.job());
  }
  return absl::OkStatus();
}

// Changes.

absl::Status FillSpec(const JobOptions& options, storage::v1::JobSpec* spec) {
  spec->set_queue(options.queue);
  spec->set_priority(options.priority);
  spec->set_max_attempts(options.max_attempts);
  spec->set_unique_key(options.key);
  spec->mutable_after()->Add(options.after.begin(), options.after.end());
  if (!options.payload.empty()) {
    json::Parser parser;
    RETURN_IF_ERROR(WithContext(
        parser.ParseObject(options.payload, spec->mutable_payload()),
        "the payload"));
  }
  if (!options.delay.empty()) {
    RETURN_IF_ERROR(
        ParseDuration("--delay", options.delay, spec->mutable_delay()));
  }
  if (!options.backoff.empty()) {
    RETURN_IF_ERROR(
        ParseDuration("--backoff", options.backoff, spec->mutable_backoff()));
  }
  if (options.keep.empty()) return absl::OkStatus();
  return ParseDuration("--keep", options.keep, spec->mutable_keep());
}

absl::Status EnqueueJob(Context& context, const JobOptions& options) {
  storage::v1::EnqueueRequest request;
  request.set_database(context.database);
  request.set_request_id(options.request_id);
  RETURN_IF_ERROR(FillSpec(options, request.add_jobs()));
  ASSIGN_OR_RETURN(const auto response,
                   context.connection().Call(
                       Role::kStorage, &JobService::Stub::Enqueue, request));
  const storage::v1::EnqueuedJob& job = response.jobs(0);
  if (context.console.json) {
    context.console.out << JsonObject()
                               .Int("id", job.id())
                               .Bool("existed", job.existed())
                               .ToString()
                        << "\n";
  } else {
    context.console.out << (job.existed() ? "existed    " : "added      ")
                        << job.id() << "\n";
  }
  return absl::OkStatus();
}

// Says how many jobs something was done to.
void PrintCount(const Console& console, absl::string_view what, int64_t count) {
  if (console.json) {
    console.out << JsonObject().Int(what, count).ToString() << "\n";
    return;
  }
  const std::string label = absl::StrCat(what, "  ");
  console.out << label
              << std::string(11 - std::min<size_t>(11, label.size()), ' ')
              << WithCommas(count) << "\n";
}

absl::Status CancelJobs(Context& context, const JobOptions& options) {
  storage::v1::JobServiceCancelRequest request;
  request.set_database(context.database);
  request.mutable_ids()->Add(options.ids.begin(), options.ids.end());
  ASSIGN_OR_RETURN(const auto response,
                   context.connection().Call(
                       Role::kStorage, &JobService::Stub::Cancel, request));
  PrintCount(context.console, "cancelled", response.cancelled());
  return absl::OkStatus();
}

absl::Status RetryJobs(Context& context, const JobOptions& options) {
  storage::v1::RetryRequest request;
  request.set_database(context.database);
  request.mutable_ids()->Add(options.ids.begin(), options.ids.end());
  request.set_queue(options.queue);
  ASSIGN_OR_RETURN(const auto response,
                   context.connection().Call(
                       Role::kStorage, &JobService::Stub::Retry, request));
  PrintCount(context.console, "retried", response.retried());
  return absl::OkStatus();
}

absl::Status PauseQueue(Context& context, const std::string& queue,
                        bool paused) {
  storage::v1::JobServicePauseRequest request;
  request.set_database(context.database);
  request.set_queue(queue);
  request.set_paused(paused);
  RETURN_IF_ERROR(context.connection()
                      .Call(Role::kStorage, &JobService::Stub::Pause, request)
                      .status());
  if (context.console.json) {
    context.console.out
        << JsonObject().Text("queue", queue).Bool("paused", paused).ToString()
        << "\n";
  } else {
    context.console.out << (paused ? "paused     " : "resumed    ") << queue
                        << "\n";
  }
  return absl::OkStatus();
}

void AddReadingCommands(CLI::App* jobs, Context& context,
                        const Options& options) {
  CLI::App* stats =
      AddCommand(jobs, context, options, "stats",
                 "Show queues: what waits, what runs, how fast", ShowStats);
  stats->add_option("QUEUES", options->queues, "Only these queues");
  stats
      ->add_option("--window", options->window,
                   "How far back to count: whole minutes, at most 24h")
      ->capture_default_str();
  stats->footer(R"(Examples:
  engramctl jobs stats
  engramctl jobs stats images --window 24h --json
  watch engramctl jobs stats)");
  CLI::App* list = AddCommand(jobs, context, options, "list",
                              "List jobs, newest first", ListJobs);
  list->add_option("QUEUE", options->queue, "Only jobs of this queue");
  list->add_option("--state", options->states,
                   "Only jobs that stand there: ready, scheduled, blocked, "
                   "running, succeeded, dead, cancelled")
      ->delimiter(',');
  list->add_option("--limit", options->limit, "The most jobs; 0 is all")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  list->footer(R"(Examples:
  engramctl jobs list images --state dead
  engramctl jobs list --state ready,scheduled --limit 0 --json)");
  CLI::App* show = AddCommand(jobs, context, options, "show",
                              "Show all that is known of a job", ShowJob);
  show->add_option("ID", options->ids, "The job's number")
      ->required()
      ->expected(1);
  show->footer("Examples:\n  engramctl jobs show 4711");
}

void AddEnqueueCommand(CLI::App* jobs, Context& context,
                       const Options& options) {
  CLI::App* enqueue =
      AddCommand(jobs, context, options, "enqueue", "Add a job", EnqueueJob);
  enqueue->add_option("QUEUE", options->queue, "The queue")->required();
  enqueue->add_option("PAYLOAD", options->payload,
                      "What the worker needs to know: a JSON object");
  enqueue->add_option("--priority", options->priority,
                      "Larger goes first: -1000 to 1000");
  enqueue->add_option("--delay", options->delay, "Not before, such as 10m");
  enqueue->add_option("--key", options->key,
                      "Only one unfinished job of the queue has this key");
  enqueue
      ->add_option("--after", options->after,
                   "Not before these jobs have succeeded")
      ->delimiter(',');
  enqueue->add_option("--max-attempts", options->max_attempts,
                      "How often it is tried (default: 3)");
  enqueue->add_option("--backoff", options->backoff,
                      "The pause after the first failure, which doubles with "
                      "each one (default: 2s)");
  enqueue->add_option("--keep", options->keep,
                      "How long it is kept when it is done (default: 1h)");
  enqueue->add_option("--request-id", options->request_id,
                      "Makes a repeat safe: it returns the first job");
  enqueue->footer(R"(Examples:
  engramctl jobs enqueue images '{"image": 7}' --key metadata-7
  engramctl jobs enqueue mail '{"to": "a@example.org"}' --delay 1h --after 4711)");
}

void AddChangingCommands(CLI::App* jobs, Context& context,
                         const Options& options) {
  AddEnqueueCommand(jobs, context, options);
  CLI::App* cancel =
      AddCommand(jobs, context, options, "cancel",
                 "Cancel jobs, and those that wait for them", CancelJobs);
  cancel->add_option("IDS", options->ids, "The jobs' numbers")->required();
  cancel->footer("Examples:\n  engramctl jobs cancel 4711 4712");
  CLI::App* retry = AddCommand(
      jobs, context, options, "retry",
      "Run jobs again that died, were cancelled or succeeded", RetryJobs);
  retry->add_option("IDS", options->ids, "The jobs' numbers");
  retry->add_option("--queue", options->queue,
                    "Instead: every dead letter of this queue");
  retry->footer(R"(Examples:
  engramctl jobs retry 4711
  engramctl jobs retry --queue images)");
  for (const bool paused : {true, false}) {
    CLI::App* command = jobs->add_subcommand(
        paused ? "pause" : "resume",
        paused ? "Stop a queue from handing out jobs; those that run go on"
               : "Let a queue hand out jobs again");
    command->add_option("QUEUE", options->queue, "The queue")->required();
    command->footer(paused ? "Examples:\n  engramctl jobs pause images"
                           : "Examples:\n  engramctl jobs resume images");
    command->callback([&context, options, paused] {
      context.action = [&context, options, paused] {
        return PauseQueue(context, options->queue, paused);
      };
    });
  }
}

}  // namespace

void AddJobsCommand(CLI::App& app, Context& context) {
  CLI::App* jobs = app.add_subcommand("jobs", "Look after queues of jobs");
  jobs->require_subcommand(1);
  const auto options = std::make_shared<JobOptions>();
  AddReadingCommands(jobs, context, options);
  AddChangingCommands(jobs, context, options);
}

}  // namespace engram::engramctl
