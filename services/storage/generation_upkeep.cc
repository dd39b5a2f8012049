#include "services/storage/generation_upkeep.h"

#include <algorithm>

#include "libs/status/status_macros.h"
#include "services/storage/dropped_generations.h"
#include "services/storage/generation_backfill.h"
#include "services/storage/generation_progress.h"

namespace engram::storage {
namespace {

// One round.
class Round {
 public:
  Round(WriteTransaction& transaction, int records,
        absl::Duration rollback_period)
      : transaction_(transaction),
        records_(records),
        rollback_us_(absl::ToInt64Microseconds(rollback_period)) {}

  absl::Status Visit(const Collection& collection,
                     const Generation& generation) {
    ASSIGN_OR_RETURN(const bool is_filled, Fill(collection, generation));
    if (generation.awaits_cutover &&
        generation.spec.cutover == schema::Cutover::kAuto) {
      ComeAgain(transaction_.now_us());
      // Not before, as it would count what is left to look at each time.
      if (is_filled) RETURN_IF_ERROR(NoteIfComplete(generation));
    }
    if (generation.retired_us.has_value() && !generation.declared) {
      const int64_t due_us = *generation.retired_us + rollback_us_;
      if (due_us <= transaction_.now_us()) {
        work_.kept_enough.push_back(generation.id);
      }
      ComeAgain(due_us);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<GenerationWork> Finish() {
    ASSIGN_OR_RETURN(const bool is_more,
                     RemoveDropped(transaction_, kMaxUpkeepRows));
    if (is_more) ComeAgain(transaction_.now_us());
    return std::move(work_);
  }

 private:
  // Returns whether there was nothing left to look at.
  absl::StatusOr<bool> Fill(const Collection& collection,
                            const Generation& generation) {
    ASSIGN_OR_RETURN(const BackfillRange range,
                     ReadBackfill(transaction_.connection(), generation.id));
    if (range.HasEnded()) return true;
    ComeAgain(transaction_.now_us());
    ASSIGN_OR_RETURN(const int looked_at,
                     Backfill(transaction_, collection, generation,
                              records_ - work_.looked_at));
    work_.looked_at += looked_at;
    return false;
  }

  absl::Status NoteIfComplete(const Generation& generation) {
    ASSIGN_OR_RETURN(const int64_t missing,
                     CountMissing(transaction_.connection(), generation,
                                  transaction_.now_us()));
    if (missing == 0) work_.complete.push_back(generation.id);
    return absl::OkStatus();
  }

  void ComeAgain(int64_t time_us) {
    work_.next_us = std::min(work_.next_us, time_us);
  }

  WriteTransaction& transaction_;
  const int records_;
  const int64_t rollback_us_;
  GenerationWork work_;
};

}  // namespace

absl::StatusOr<GenerationWork> KeepGenerations(WriteTransaction& transaction,
                                               const Catalog& catalog,
                                               int records,
                                               absl::Duration rollback_period) {
  Round round(transaction, std::min(records, kMaxUpkeepRows), rollback_period);
  for (const CollectionPtr& collection : catalog.List()) {
    RETURN_IF_ERROR(
        ForEachGeneration(*collection, [&](const Generation& generation) {
          return generation.supplied() ? absl::OkStatus()
                                       : round.Visit(*collection, generation);
        }));
  }
  return round.Finish();
}

}  // namespace engram::storage
