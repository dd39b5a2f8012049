#include "services/storage/schema_applier.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "libs/schema/collection_parser.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/generation_backfill.h"
#include "services/storage/generation_upkeep.h"
#include "services/storage/local_backup.h"
#include "services/storage/schema_executor.h"
#include "services/storage/schema_history.h"
#include "services/storage/schema_planner.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kCountOutbox = "SELECT count(*) FROM _outbox";
constexpr absl::string_view kCountFailures = "SELECT count(*) FROM _failures";
constexpr int kMaxDocuments = 1000;

// Foreign keys are off while this lives: a table that others refer to can then
// be dropped and made anew. SQLite ignores the pragma within a transaction.
class ForeignKeysOff {
 public:
  static absl::StatusOr<std::unique_ptr<ForeignKeysOff>> Begin(
      WriterAccess& access) {
    auto off = std::make_unique<ForeignKeysOff>(access);
    RETURN_IF_ERROR(Set(access.connection, 0));
    return off;
  }

  explicit ForeignKeysOff(WriterAccess& access) : access_(access) {}
  ~ForeignKeysOff() {
    const absl::Status status = Set(access_.connection, 1);
    if (status.ok()) return;
    // Writes that nothing guards would follow: better none at all.
    log::Error("foreign keys not on again", {{"error", status}});
    access_.commit_error = SQLITE_IOERR;
  }

 private:
  static absl::Status Set(sqlite::Connection& connection, int64_t on) {
    RETURN_IF_ERROR(
        connection.Execute(absl::StrCat("PRAGMA foreign_keys = ", on)));
    ASSIGN_OR_RETURN(const int64_t is_on,
                     connection.QueryInt("PRAGMA foreign_keys"));
    if (is_on == on) return absl::OkStatus();
    return absl::InternalError("foreign_keys did not take its new value");
  }

  WriterAccess& access_;
};

// One apply, on the writer's thread.
class SchemaApplier {
 public:
  SchemaApplier(Database& database, WriterAccess& access,
                const SchemaRequest& request, AppliedSchema& applied)
      : database_(database),
        access_(access),
        connection_(access.connection),
        request_(request),
        applied_(applied) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Plan());
    applied_.sequence = access_.log.head().sequence;
    applied_.collections = plan_.declared;
    if (plan_.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(CheckAllowed());
    if (plan_.wants_backup()) {
      ASSIGN_OR_RETURN(applied_.backup,
                       BackupLocally(connection_, database_.backup_directory(),
                                     plan_.base, access_.now_us));
    }
    std::vector<CollectionPtr> collections;
    {
      ASSIGN_OR_RETURN(const auto keys_off, ForeignKeysOff::Begin(access_));
      ASSIGN_OR_RETURN(collections, RunTransaction());
    }
    Report(collections);
    // Before the next write runs, and before any waiter learns of the commit.
    database_.PublishSchema(collections, access_.schema_version);
    return absl::OkStatus();
  }

 private:
  absl::Status Plan() {
    ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                     sqlite::Transaction::Begin(
                         connection_, sqlite::Transaction::Kind::kRead));
    ASSIGN_OR_RETURN(const SchemaState state, ReadSchemaState(connection_));
    if (request_.version == 0) {
      ASSIGN_OR_RETURN(plan_,
                       PlanSchema(state, request_.goal, request_.models));
    } else {
      ASSIGN_OR_RETURN(const SchemaGoal goal,
                       ReadOlderSchema(connection_, request_.version));
      ASSIGN_OR_RETURN(plan_, PlanSchema(state, goal, request_.models));
    }
    return absl::OkStatus();
  }

  absl::Status CheckAllowed() const {
    if (!request_.plan_hash.empty() && request_.plan_hash != plan_.hash) {
      return MakeError(absl::StatusCode::kAborted,
                       common::v1::ERROR_REASON_SCHEMA_CHANGED,
                       "the plan would be another one by now; plan again",
                       {{"plan_hash", plan_.hash}});
    }
    if (!plan_.destructive() || request_.allow_destructive) {
      return absl::OkStatus();
    }
    std::string steps;
    for (const SchemaStep& step : plan_.steps) {
      if (!step.destructive) continue;
      absl::StrAppend(&steps, steps.empty() ? "" : ", ", step.collection, ": ",
                      step.summary);
    }
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     common::v1::ERROR_REASON_DESTRUCTIVE_CHANGE,
                     absl::StrCat("steps destroy data: ", CutText(steps, 1000),
                                  "; allow it with allow_destructive"),
                     {{"steps", CutText(steps, 1000)}});
  }

  absl::StatusOr<std::vector<CollectionPtr>> RunTransaction() {
    ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                     sqlite::Transaction::Begin(
                         connection_, sqlite::Transaction::Kind::kWrite));
    ASSIGN_OR_RETURN(const std::vector<int64_t> counts, CountRows(Before()));
    ASSIGN_OR_RETURN(const int64_t outbox, connection_.QueryInt(kCountOutbox));
    ASSIGN_OR_RETURN(const int64_t failures,
                     connection_.QueryInt(kCountFailures));
    RETURN_IF_ERROR(RunSteps());
    RETURN_IF_ERROR(StoreChanges(connection_, plan_.changes, access_.now_us));
    RETURN_IF_ERROR(AppendChanges());
    ASSIGN_OR_RETURN(
        std::vector<CollectionPtr> collections,
        StoreMigration(connection_, plan_.base + 1, plan_.steps, access_.now_us,
                       access_.log.head().sequence));
    RETURN_IF_ERROR(BeginBackfills(collections));
    RETURN_IF_ERROR(Hook(static_cast<int>(plan_.steps.size())));
    RETURN_IF_ERROR(Validate(counts, collections));
    RETURN_IF_ERROR(Hook(static_cast<int>(plan_.steps.size()) + 1));
    ASSIGN_OR_RETURN(const int64_t pending, connection_.QueryInt(kCountOutbox));
    ASSIGN_OR_RETURN(const int64_t failures_left,
                     connection_.QueryInt(kCountFailures));
    RETURN_IF_ERROR(access_.Commit(transaction));
    access_.schema_version = plan_.base + 1;
    access_.effects.outbox_growth = pending - outbox;
    access_.effects.failures_growth = failures_left - failures;
    access_.effects.has_new_entries = pending > outbox;
    return collections;
  }

  // Notes what the new generations begin with, and puts the first texts into
  // the outbox; generation_upkeep.h goes on.
  absl::Status BeginBackfills(const std::vector<CollectionPtr>& collections) {
    WriteTransaction transaction(connection_, access_.log, access_.now_us,
                                 plan_.base + 1);
    int left = kMaxUpkeepRows;
    for (const CollectionChange& change : plan_.changes) {
      if (change.after == nullptr || change.before == nullptr) continue;
      for (const CollectionPtr& collection : collections) {
        if (collection->id != change.after->id) continue;
        for (const int place : change.new_vectors) {
          const Generation& generation = collection->vectors[place].declared();
          if (generation.supplied()) continue;
          RETURN_IF_ERROR(BeginBackfill(connection_, *collection, generation));
          ASSIGN_OR_RETURN(
              const int looked_at,
              Backfill(transaction, *collection, generation, left));
          left -= looked_at;
        }
      }
    }
    return transaction.Finish();
  }

  absl::Status Hook(int step) const {
    if (!request_.before_step) return absl::OkStatus();
    return request_.before_step(step);
  }

  absl::Status RunSteps() {
    SchemaExecutor executor(connection_, plan_, access_.now_us);
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      RETURN_IF_ERROR(Hook(static_cast<int>(i)));
      const SchemaStep& step = plan_.steps[i];
      const absl::Status status = executor.Run(step);
      if (!status.ok()) {
        return WithContext(
            status, absl::StrCat("collection \"", step.collection, "\", ",
                                 step.summary));
      }
    }
    return absl::OkStatus();
  }

  // So ordered that a name is free before another collection takes it.
  std::vector<const CollectionChange*> InOrderOfNames() const {
    std::vector<const CollectionChange*> waiting, ordered;
    for (const CollectionChange& change : plan_.changes) {
      waiting.push_back(&change);
    }
    while (!waiting.empty()) {
      auto next = std::find_if(
          waiting.begin(), waiting.end(), [&](const CollectionChange* change) {
            return std::none_of(
                waiting.begin(), waiting.end(),
                [&](const CollectionChange* other) {
                  return other != change && change->after != nullptr &&
                         other->before != nullptr &&
                         other->before->name() == change->after->name();
                });
          });
      // Names go round: no order will do.
      if (next == waiting.end()) next = waiting.begin();
      ordered.push_back(*next);
      waiting.erase(next);
    }
    return ordered;
  }

  absl::Status AppendChanges() {
    for (const CollectionChange* change : InOrderOfNames()) {
      const Collection& collection = change->collection();
      ChangeKind kind = ChangeKind::kCollectionChanged;
      if (change->before == nullptr) kind = ChangeKind::kCollectionCreated;
      if (change->after == nullptr) kind = ChangeKind::kCollectionDropped;
      const std::string before =
          kind == ChangeKind::kCollectionChanged ? change->before->name() : "";
      RETURN_IF_ERROR(access_.log
                          .Append(kind, collection.id, 0, collection.name(),
                                  before, access_.now_us)
                          .status());
    }
    return absl::OkStatus();
  }

  // --- Validation: a mistake of ours must not be committed.

  // The names of the tables that stay, before and after.
  std::vector<std::string> Before() const {
    std::vector<std::string> names;
    for (const CollectionChange& change : plan_.changes) {
      if (change.before == nullptr || change.after == nullptr) continue;
      names.push_back(change.before->name());
    }
    return names;
  }

  std::vector<std::string> After() const {
    std::vector<std::string> names;
    for (const CollectionChange& change : plan_.changes) {
      if (change.before == nullptr || change.after == nullptr) continue;
      names.push_back(change.after->name());
    }
    return names;
  }

  absl::StatusOr<std::vector<int64_t>> CountRows(
      const std::vector<std::string>& tables) {
    std::vector<int64_t> counts;
    for (const std::string& table : tables) {
      ASSIGN_OR_RETURN(const int64_t count,
                       connection_.QueryInt(absl::StrCat(
                           "SELECT count(*) FROM ", QuoteIdentifier(table))));
      counts.push_back(count);
    }
    return counts;
  }

  absl::Status Validate(const std::vector<int64_t>& counts,
                        const std::vector<CollectionPtr>& collections) {
    const std::vector<std::string> tables = After();
    ASSIGN_OR_RETURN(const std::vector<int64_t> now, CountRows(tables));
    if (now != counts) {
      return absl::InternalError("the apply lost or doubled records");
    }
    std::set<std::string> touched;
    for (const CollectionChange& change : plan_.changes) {
      if (change.after != nullptr) touched.insert(change.after->name());
      if (change.before != nullptr) touched.insert(change.before->name());
    }
    for (const std::string& table : tables) {
      RETURN_IF_ERROR(CheckIntegrity(table));
    }
    for (const CollectionPtr& collection : collections) {
      bool is_concerned = touched.contains(collection->name());
      for (const schema::FieldSpec& field : collection->spec.fields) {
        is_concerned |= touched.contains(field.target);
      }
      if (is_concerned) RETURN_IF_ERROR(CheckRefs(*collection));
    }
    return absl::OkStatus();
  }

  absl::Status CheckIntegrity(const std::string& table) {
    ASSIGN_OR_RETURN(
        sqlite::Statement check,
        connection_.Prepare(absl::StrCat("PRAGMA integrity_check(",
                                         QuoteIdentifier(table), ")")));
    RETURN_IF_ERROR(check.Step().status());
    if (check.Text(0) == "ok") return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("table \"", table, "\" is damaged: ", check.Text(0)));
  }

  absl::Status CheckRefs(const Collection& collection) {
    ASSIGN_OR_RETURN(sqlite::Statement check,
                     connection_.Prepare(absl::StrCat(
                         "PRAGMA foreign_key_check(",
                         QuoteIdentifier(collection.name()), ")")));
    ASSIGN_OR_RETURN(const bool is_broken, check.Step());
    if (!is_broken) return absl::OkStatus();
    const int64_t row = check.Int(1);
    const std::string parent(check.Text(2));
    check.Reset();
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection_.Prepare(collection.select_id));
    select.BindInt(1, row);
    RETURN_IF_ERROR(select.Step().status());
    const std::string id(select.Text(0));
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_RECORDS_INVALID,
        absl::StrCat("record \"", id, "\" of collection \"", collection.name(),
                     "\" refers to a record of \"", parent,
                     "\" that does not exist"),
        {{"collection", collection.name()}, {"id", id}});
  }

  // ---

  void Report(const std::vector<CollectionPtr>& collections) {
    applied_.sequence = access_.log.head().sequence;
    applied_.version = access_.schema_version;
    for (CollectionPtr& declared : applied_.collections) {
      const auto found = std::find_if(collections.begin(), collections.end(),
                                      [&](const CollectionPtr& collection) {
                                        return collection->id == declared->id;
                                      });
      if (found != collections.end()) declared = *found;
    }
    for (const CollectionChange& change : plan_.changes) {
      if (change.before == nullptr) {
        applied_.created.push_back(change.after->name());
      }
    }
    applied_.steps = std::move(plan_.steps);
  }

  Database& database_;
  WriterAccess& access_;
  sqlite::Connection& connection_;
  const SchemaRequest& request_;
  AppliedSchema& applied_;
  SchemaPlan plan_;
};

}  // namespace

absl::StatusOr<SchemaRequest> DecodeSchema(
    const v1::SchemaTarget& target,
    const google::protobuf::RepeatedPtrField<v1::SchemaDocument>& documents) {
  const bool is_short = !documents.empty();
  SchemaRequest request;
  request.version = target.version();
  request.goal.prune = target.prune();
  const int given =
      is_short + !target.documents().empty() + (target.version() != 0);
  // Nothing but `prune` drops everything.
  if (given > 1 || (given == 0 && !target.prune())) {
    return InvalidField("target",
                        "give documents, or a version, and one of them only");
  }
  if (target.version() < 0 || (target.version() > 0 && target.prune())) {
    return InvalidField("target.version",
                        "give a migration's number, from 1; it needs no prune");
  }
  const auto& given_documents = is_short ? documents : target.documents();
  if (given_documents.size() > kMaxDocuments) {
    return InvalidField(is_short ? "documents" : "target.documents",
                        absl::StrCat("has ", given_documents.size(),
                                     " entries; give at most ", kMaxDocuments));
  }
  FieldViolations violations;
  for (int i = 0; i < given_documents.size(); ++i) {
    const v1::SchemaDocument& document = given_documents[i];
    std::string path =
        absl::StrCat(is_short ? "documents[" : "target.documents[", i, "]");
    std::optional<schema::CollectionSpec> spec = schema::ParseCollection(
        document.name(), document.yaml(), path, violations);
    if (!spec.has_value()) continue;
    request.goal.declared.push_back({.path = std::move(path),
                                     .spec = *std::move(spec),
                                     .yaml = document.yaml()});
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return request;
}

absl::StatusOr<SchemaPlan> PlanOf(Database& database,
                                  const SchemaRequest& request) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(const SchemaState state, ReadSchemaState(view.connection()));
  if (request.version == 0) {
    return PlanSchema(state, request.goal, request.models);
  }
  ASSIGN_OR_RETURN(const SchemaGoal goal,
                   ReadOlderSchema(view.connection(), request.version));
  return PlanSchema(state, goal, request.models);
}

void ApplySchema(Database& database, SchemaRequest request, absl::Time deadline,
                 absl::AnyInvocable<void(absl::StatusOr<AppliedSchema>)> done) {
  const auto applied = std::make_shared<AppliedSchema>();
  size_t bytes = 0;
  for (const DeclaredCollection& declared : request.goal.declared) {
    bytes += declared.yaml.size();
  }
  database.Submit(
      {.run_alone =
           [&database, request = std::move(request),
            applied](WriterAccess& access) {
             return SchemaApplier(database, access, request, *applied).Run();
           },
       .done =
           [applied,
            done = std::move(done)](const absl::Status& status) mutable {
             if (!status.ok()) return done(status);
             done(std::move(*applied));
           },
       .bytes = bytes,
       .deadline = deadline});
}

}  // namespace engram::storage
