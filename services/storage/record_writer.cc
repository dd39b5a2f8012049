#include "services/storage/record_writer.h"

#include <optional>
#include <string>

#include "libs/position/position.h"
#include "libs/status/status_macros.h"
#include "services/storage/batch_writer.h"
#include "services/storage/record_editor.h"
#include "services/storage/request_log.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kMethod = "engram.storage.v1.RecordService/Write";

}  // namespace

absl::Status WriteRecords(WriteTransaction& transaction, Database& database,
                          const RecordBatch& batch,
                          v1::WriteResponse* response) {
  response->Clear();
  const bool keeps_response = !batch.request_id.empty();
  if (keeps_response) {
    ASSIGN_OR_RETURN(const std::optional<std::string> first,
                     FindResponse(transaction, kMethod, batch.request_id,
                                  batch.request_hash));
    if (first.has_value()) {
      return response->ParseFromString(*first)
                 ? absl::OkStatus()
                 : absl::DataLossError("a kept response cannot be read");
    }
  }
  RecordEditor editor(transaction, database.catalog(),
                      {.max_cascade_rows = database.max_cascade_rows()});
  RETURN_IF_ERROR(BatchWriter(editor, batch).Write(response));
  response->set_position(Position{database.name(), transaction.log().epoch(),
                                  transaction.log().head().sequence}
                             .ToString());
  if (!keeps_response) return absl::OkStatus();
  return KeepResponse(transaction, kMethod, batch.request_id,
                      batch.request_hash, response->SerializeAsString());
}

absl::Status WriteRequest(WriteTransaction& transaction, Database& database,
                          const v1::WriteRequest& request, RecordBatch& batch,
                          v1::WriteResponse* response) {
  if (batch.schema_version != transaction.schema_version()) {
    ASSIGN_OR_RETURN(batch,
                     DecodeBatch(database.name(), database.catalog(), request));
  }
  return WriteRecords(transaction, database, batch, response);
}

}  // namespace engram::storage
