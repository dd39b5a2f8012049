// Column values to and from statements.

#ifndef ENGRAM_SERVICES_STORAGE_COLUMN_IO_H_
#define ENGRAM_SERVICES_STORAGE_COLUMN_IO_H_

#include "libs/sqlite/statement.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// `value` must outlive the statement's run.
void BindColumn(sqlite::Statement& statement, int parameter,
                const ColumnValue& value);

ColumnValue ReadColumn(const sqlite::Statement& statement, int column);

// The same without a copy; good until the statement's next step.
schema::FieldView ViewColumn(const sqlite::Statement& statement, int column);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_COLUMN_IO_H_
