// What a record becomes by a write: functions of the record and the
// item alone.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_MERGER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_MERGER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/status/errors.h"
#include "services/storage/record_batch.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Makes `record` the new record that the item asks for: defaults, then what was
// sent, then transforms, extracts and generated fields; version 1; its times
// and when it expires. The caller has set its id, and sets row and sequence.
// `record` keeps its memory, so give the same one again and again. Adds a
// violation for each value computed here that overflows or breaks its field's
// rules; CheckRecord does the rest.
void MakeRecord(const RecordItem& item, int64_t now_us, StoredRecord& record,
                FieldViolations& violations);

// Makes `record` what `existing` becomes by an upsert (merge rules), update or
// replace: the same as above, the next version, row and id kept; the caller
// sets the sequence. `on_update: now` fields change only if another field does.
// Returns whether anything changed but versions and times; if not there is
// nothing to write except, where it moved, `expires_us`.
bool ChangeRecord(const RecordItem& item, const StoredRecord& existing,
                  int64_t now_us, StoredRecord& record,
                  FieldViolations& violations);

// Adds a violation for each rule of the schema about whole records that `after`
// breaks: required, immutable (against `before`, null if new), and the
// collection's checks. Paths are `path`, a dot and the field's name; a check's
// is `path`. The values are trusted to meet their own fields' rules.
void CheckRecord(const Collection& collection, const StoredRecord* before,
                 const StoredRecord& after, absl::string_view path,
                 int64_t now_us, FieldViolations& violations);

// Adds a violation for each value that breaks its field's rules, for values
// that no DecodeBatch has checked: those of an earlier version.
void CheckValues(const Collection& collection,
                 absl::Span<const ColumnValue> values, absl::string_view path,
                 FieldViolations& violations);

// `Aborted` or `FailedPrecondition`, with the reason, if the record, null where
// there is none, is not what the item's condition wants.
absl::Status CheckCondition(const RecordItem& item,
                            const StoredRecord* existing, int64_t now_us);

// Computes the generated fields of `record`, as SQLite does in the table.
void FillGenerated(const Collection& collection, StoredRecord& record);

// Computes the fields that the schema computes from the others of `record`:
// extracted ones, then generated ones. For changes that are no RecordItem.
void FillComputed(const Collection& collection, StoredRecord& record);

// When a record with these values expires; unset if never.
std::optional<int64_t> ExpiryOf(const Collection& collection,
                                absl::Span<const ColumnValue> values,
                                int64_t created_us, int64_t now_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_MERGER_H_
