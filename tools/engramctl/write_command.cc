#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/field_text.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::DeleteWhereRequest;
using storage::v1::DeleteWhereResponse;
using storage::v1::Record;
using storage::v1::RecordService;
using storage::v1::SweepExpiredRequest;
using storage::v1::SweepExpiredResponse;
using storage::v1::WriteRequest;

constexpr int64_t kMaxRecordBytes = 64 << 20;

struct Options {
  std::string collection;
  std::vector<std::string> ids;
  ConditionFlags condition;
  // put.
  std::string record;
  bool create = false;
  bool replace = false;
  // delete.
  std::string where;
  std::string archive_to;
  bool dry_run = false;
  bool purge = false;
  bool skip_referenced = false;
  // restore.
  int64_t version = 0;
};

absl::Status ReadRecord(Context& context, const Options& options,
                        Record* record) {
  std::string text = options.record;
  if (text == "-") {
    ASSIGN_OR_RETURN(text, ReadInput("-", context.console.in, kMaxRecordBytes));
  }
  json::Parser parser;
  RETURN_IF_ERROR(WithContext(
      parser.ParseObject(text, record->mutable_fields()), "the record"));
  auto& fields = *record->mutable_fields()->mutable_fields();
  if (const auto id = fields.find("id"); id != fields.end()) {
    const absl::StatusOr<std::string> read = IdOf(id->second);
    if (!read.ok()) return InvalidField("id", read.status().message());
    record->set_id(*read);
    fields.erase(id);
  }
  ASSIGN_OR_RETURN(const schema::CollectionSpec spec,
                   FetchSchema(context, options.collection));
  FitNumbers(spec, record->mutable_fields());
  return absl::OkStatus();
}

absl::Status PutRecord(Context& context, const Options& options) {
  WriteRequest request;
  request.set_database(context.database);
  auto* item = request.add_items();
  item->set_collection(options.collection);
  RETURN_IF_ERROR(ReadRecord(context, options,
                             options.create    ? item->mutable_create()
                             : options.replace ? item->mutable_replace()
                                               : item->mutable_upsert()));
  if (!options.condition.empty()) {
    RETURN_IF_ERROR(options.condition.Fill(item->mutable_condition()));
  }
  return SendWrite(context, request);
}

// "1 record" or "12 records".
std::string Records(int64_t count) {
  return absl::StrCat(WithCommas(count), count == 1 ? " record" : " records");
}

absl::Status DeleteWhere(Context& context, const Options& options) {
  DeleteWhereRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_filter(options.where);
  RETURN_IF_ERROR(
      options.condition.FillParameters(request.mutable_parameters()));
  request.set_dry_run(options.dry_run);
  request.set_archive_to(options.archive_to);
  request.set_purge(options.purge);
  request.set_skip_referenced(options.skip_referenced);
  ASSIGN_OR_RETURN(
      const DeleteWhereResponse response,
      context.connection().Call(Role::kStorage,
                                &RecordService::Stub::DeleteWhere, request));
  std::ostream& out = context.console.out;
  if (context.console.json) {
    out << JsonObject()
               .Int("matched", response.matched())
               .Int("deleted", response.deleted())
               .Int("cascaded", response.cascaded())
               .Int("skipped", response.skipped())
               .Text("position", response.position())
               .ToString()
        << "\n";
    return absl::OkStatus();
  }
  out << "matched    " << Records(response.matched()) << "\n";
  if (options.dry_run) {
    out << "dry run: nothing is deleted\n";
    return absl::OkStatus();
  }
  out << "deleted    " << Records(response.deleted());
  if (response.cascaded() > 0) {
    out << ", and " << Records(response.cascaded()) << " that refer to them";
  }
  out << "\n";
  if (response.skipped() > 0) {
    out << "skipped    " << Records(response.skipped())
        << " that others refer to\n";
  }
  out << "position   " << response.position() << "\n";
  return absl::OkStatus();
}

absl::Status DeleteRecords(Context& context, const Options& options) {
  if (!options.where.empty()) return DeleteWhere(context, options);
  WriteRequest request;
  request.set_database(context.database);
  for (const std::string& id : options.ids) {
    auto* item = request.add_items();
    item->set_collection(options.collection);
    item->mutable_delete_()->set_id(id);
    item->mutable_delete_()->set_purge(options.purge);
    if (!options.condition.empty()) {
      RETURN_IF_ERROR(options.condition.Fill(item->mutable_condition()));
    }
  }
  return SendWrite(context, request);
}

absl::Status RestoreRecord(Context& context, const Options& options) {
  WriteRequest request;
  request.set_database(context.database);
  auto* item = request.add_items();
  item->set_collection(options.collection);
  item->mutable_restore()->set_id(options.ids.at(0));
  item->mutable_restore()->set_version(options.version);
  return SendWrite(context, request);
}

absl::Status Sweep(Context& context, const Options& options) {
  SweepExpiredRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  ASSIGN_OR_RETURN(
      const SweepExpiredResponse response,
      context.connection().Call(Role::kStorage,
                                &RecordService::Stub::SweepExpired, request));
  std::ostream& out = context.console.out;
  if (context.console.json) {
    out << JsonObject()
               .Int("expired", response.expired())
               .Int("purged", response.purged())
               .Text("position", response.position())
               .ToString()
        << "\n";
    return absl::OkStatus();
  }
  out << "expired    " << Records(response.expired()) << "\n"
      << "purged     " << Records(response.purged()) << "\n";
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App& app, Context& context, const std::string& name,
                     const std::string& description,
                     const std::shared_ptr<Options>& options,
                     absl::Status (*action)(Context&, const Options&)) {
  CLI::App* command = app.add_subcommand(name, description);
  command->callback([&context, options, action] {
    context.action = [&context, options, action] {
      return action(context, *options);
    };
  });
  return command;
}

CLI::Option* AddCollection(CLI::App* command, Options& options) {
  return command->add_option("COLLECTION", options.collection,
                             "The collection");
}

void AddPut(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* put = AddCommand(app, context, "put", "Create or change one record",
                             options, PutRecord);
  AddCollection(put, *options)->required();
  put->add_option("RECORD", options->record,
                  "A JSON object of fields and \"id\"; - reads it from stdin")
      ->required();
  CLI::Option* create =
      put->add_flag("--create", options->create,
                    "Fail if there is a record of this id or a unique key");
  put->add_flag("--replace", options->replace,
                "Give fields that are not sent their defaults")
      ->excludes(create);
  options->condition.Declare(put);
  put->footer(
      R"(Only the fields that are given change, by their merge rules; null clears one.
Without an id the record is found by a unique key, or new. The position that is
printed makes a search wait for it.

Examples:
  engramctl put notes '{"id": "n1", "content": "Ada prefers tea"}'
  engramctl put notes - --create < note.json
  engramctl put notes '{"id": "n1", "stars": 5}' --if-version 3)");
}

void AddDelete(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* remove = AddCommand(app, context, "delete", "Delete records",
                                options, DeleteRecords);
  AddCollection(remove, *options)->required();
  CLI::Option_group* which = remove->add_option_group("Records");
  which->add_option("ID", options->ids, "Ids of the records");
  CLI::Option* where =
      which->add_option("--where", options->where,
                        "Every record that meets this filter; `true` is all");
  which->require_option(1);
  remove->add_flag("--purge", options->purge,
                   "For good, even where deleted records are kept");
  remove->add_flag("--dry-run", options->dry_run, "Only count")->needs(where);
  remove
      ->add_option("--archive-to", options->archive_to,
                   "Copy each record into this collection first")
      ->needs(where);
  remove
      ->add_flag("--skip-referenced", options->skip_referenced,
                 "Leave out records that others refer to, instead of failing")
      ->needs(where);
  options->condition.Declare(remove);
  remove->get_option("--if-version")->excludes(where);
  remove->get_option("--if")->excludes(where);
  remove->footer(
      R"(Records given by id are all deleted, or none; one that does not exist is no
error. What refers to a record goes with it, or forbids it, as the schema says.

Examples:
  engramctl delete notes n1 n2
  engramctl delete notes --where 'stars < :least' --param least=2 --dry-run
  engramctl delete notes --where 'create_time < now - 90d' --archive-to old_notes)");
}

void AddRestore(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* restore =
      AddCommand(app, context, "restore",
                 "Bring back a deleted record or an earlier version", options,
                 RestoreRecord);
  AddCollection(restore, *options)->required();
  restore->add_option("ID", options->ids, "The record's id")
      ->required()
      ->expected(1);
  restore
      ->add_option("--version", options->version,
                   "The version whose fields it takes again; without, a delete "
                   "is undone")
      ->check(CLI::PositiveNumber);
  restore->footer(R"(Examples:
  engramctl restore notes n1
  engramctl restore notes n1 --version 2)");
}

void AddSweep(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* sweep =
      AddCommand(app, context, "sweep", "Delete for good what has expired, now",
                 options, Sweep);
  AddCollection(sweep, *options);
  sweep->footer(
      R"(Storage does this by itself every minute; nobody sees such records anyway.

Examples:
  engramctl sweep
  engramctl sweep sessions)");
}

}  // namespace

void AddWriteCommands(CLI::App& app, Context& context) {
  AddPut(app, context);
  AddDelete(app, context);
  AddRestore(app, context);
  AddSweep(app, context);
}

}  // namespace engram::engramctl
