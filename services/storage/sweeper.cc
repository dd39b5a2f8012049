#include "services/storage/sweeper.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_editor.h"
#include "services/storage/record_history.h"
#include "services/storage/record_purge.h"
#include "services/storage/stored_record.h"

namespace engram::storage {
namespace {

// Parameters: the last time and row looked at, the newest time that is due, the
// most rows.
std::string DueSql(const Collection& collection, absl::string_view column) {
  return absl::StrCat("SELECT _row, id, ", column, " FROM ",
                      QuoteIdentifier(collection.name()), " WHERE (", column,
                      ", _row) > (?, ?) AND ", column, " <= ? ORDER BY ",
                      column, ", _row LIMIT ?");
}

}  // namespace

void Sweep::Start(Database& database, std::vector<std::string> collections,
                  absl::Time deadline, Done done) {
  if (collections.empty()) {
    for (const CollectionPtr& collection : database.catalog().List()) {
      collections.push_back(collection->name());
    }
  }
  const std::shared_ptr<Sweep> sweep(
      new Sweep(database, std::move(collections), deadline, std::move(done)));
  sweep->SubmitSlice();
}

void Sweep::SubmitSlice() {
  database_.Submit(
      {.run =
           [self = shared_from_this()](WriteTransaction& transaction) {
             return self->RunSlice(transaction);
           },
       .done =
           [self = shared_from_this()](absl::Status status) {
             if (status.ok()) self->progress_ = self->next_;
             if (!status.ok() || self->progress_.phase == Phase::kEnd) {
               self->done_(status, self->progress_.result);
             } else {
               self->SubmitSlice();
             }
           },
       .rows = kSliceRows,
       .deadline = deadline_});
}

absl::Status Sweep::RunSlice(WriteTransaction& transaction) {
  // A run that is repeated starts where the last commit left it.
  next_ = progress_;
  int left = kSliceRows;
  while (left > 0 && next_.phase != Phase::kEnd) {
    const CollectionPtr collection =
        next_.collection < collections_.size()
            ? database_.catalog().Find(collections_[next_.collection])
            : nullptr;
    int done = 0;
    if (next_.collection == collections_.size()) {
      next_.phase = Phase::kEnd;
      break;
    }
    if (collection != nullptr) {
      ASSIGN_OR_RETURN(done, DeleteSome(transaction, *collection, left));
    }
    if (done == left) break;
    left -= done;
    next_.time_us = std::numeric_limits<int64_t>::min();
    next_.row = 0;
    switch (next_.phase) {
      case Phase::kExpired:
        next_.phase = Phase::kDeleted;
        break;
      case Phase::kDeleted:
        next_.phase = Phase::kVersions;
        break;
      case Phase::kVersions:
      case Phase::kEnd:
        next_.phase = Phase::kExpired;
        ++next_.collection;
        break;
    }
  }
  next_.result.sequence = transaction.log().head().sequence;
  return absl::OkStatus();
}

absl::StatusOr<int> Sweep::DeleteSome(WriteTransaction& transaction,
                                      const Collection& collection, int limit) {
  const schema::CollectionSpec& spec = collection.spec;
  int64_t due_us = transaction.now_us();
  if (next_.phase == Phase::kVersions) {
    if (!spec.history.has_value() ||
        spec.history->keep == absl::InfiniteDuration()) {
      return 0;
    }
    due_us -= absl::ToInt64Microseconds(spec.history->keep);
    ASSIGN_OR_RETURN(const int64_t dropped,
                     PruneVersions(transaction, collection, due_us, limit));
    next_.result.versions += dropped;
    return static_cast<int>(dropped);
  }
  absl::string_view column = "_expires_us";
  if (next_.phase == Phase::kExpired) {
    if (!collection.expires()) return 0;
  } else {
    if (!collection.keeps_deleted() ||
        spec.soft_delete->keep == absl::InfiniteDuration()) {
      return 0;
    }
    due_us -= absl::ToInt64Microseconds(spec.soft_delete->keep);
    column = "_deleted_us";
  }
  std::vector<StoredRecord> records;
  std::vector<int64_t> times_us;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select, transaction.connection().Cached(
                                                   DueSql(collection, column)));
    select.BindInt(1, next_.time_us);
    select.BindInt(2, next_.row);
    select.BindInt(3, due_us);
    select.BindInt(4, limit);
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) break;
      records.push_back(
          {.row = select.Int(0), .id = std::string(select.Text(1))});
      times_us.push_back(select.Int(2));
    }
  }
  if (records.empty()) return 0;
  RecordEditor editor(transaction, database_.catalog(),
                      {.max_cascade_rows = database_.max_cascade_rows()});
  PurgeCounts counts;
  ASSIGN_OR_RETURN(const size_t done, PurgeRecords(editor, collection, records,
                                                   kSliceRows, counts));
  RETURN_IF_ERROR(editor.Finish());
  next_.result.kept += counts.kept;
  (next_.phase == Phase::kExpired ? next_.result.expired
                                  : next_.result.purged) +=
      counts.deleted.deleted + counts.deleted.cascaded;
  next_.time_us = times_us[done - 1];
  next_.row = records[done - 1].row;
  // The rest is another slice's.
  return done < records.size() ? limit : static_cast<int>(done);
}

}  // namespace engram::storage
