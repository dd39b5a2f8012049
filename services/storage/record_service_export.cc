// RecordService's stream of a collection as a file.

#include <optional>
#include <utility>

#include "libs/rpc/reactors.h"
#include "services/storage/exporter.h"
#include "services/storage/record_service.h"

namespace engram::storage {
namespace {

// Reads one piece while the client has taken the one before.
class ExportStream : public rpc::StreamReactor<v1::ExportResponse> {
 public:
  // `request` lives as long as the call.
  ExportStream(Database* database, rpc::ThreadPool* pool,
               const v1::ExportRequest* request)
      : database_(database), pool_(pool), request_(request) {}

 private:
  void Next() override {
    const absl::Status queued = pool_->Submit([this] { SendNext(); });
    if (!queued.ok()) End(queued);
  }

  void SendNext() {
    if (database_->commits().stopped()) {
      return End(absl::UnavailableError("the database is closed"));
    }
    if (exporter_ == nullptr) {
      auto created = Exporter::Create(*database_, *request_);
      if (!created.ok()) return End(created.status());
      exporter_ = *std::move(created);
    }
    // The client's deadline cancels the call; there is no other.
    absl::StatusOr<std::optional<v1::ExportResponse>> piece =
        exporter_->Next({.is_cancelled = [this] { return stopped(); }});
    if (!piece.ok()) return End(piece.status());
    if (!piece->has_value()) return End(absl::OkStatus());
    Send(**std::move(piece));
  }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  const v1::ExportRequest* const request_;
  // Null before the first piece.
  std::unique_ptr<Exporter> exporter_;
};

}  // namespace

grpc::ServerWriteReactor<v1::ExportResponse>* RecordService::Export(
    grpc::CallbackServerContext*, const v1::ExportRequest* request) {
  const absl::StatusOr<Database*> database =
      registry_->Find(request->database());
  if (!database.ok()) {
    return rpc::FailStream<v1::ExportResponse>(database.status());
  }
  return rpc::BeginStream(new ExportStream(*database, pool_, request));
}

}  // namespace engram::storage
