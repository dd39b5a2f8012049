#ifndef ENGRAM_SERVICES_STORAGE_PASSAGE_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_PASSAGE_SERVICE_H_

#include "engram/storage/v1/passage.grpc.pb.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge of passage_get; the proto says what it promises.
class PassageService : public v1::PassageService::CallbackService {
 public:
  // Both must outlive this object.
  PassageService(DatabaseRegistry* registry, rpc::ThreadPool* pool)
      : registry_(registry), pool_(pool) {}

  grpc::ServerUnaryReactor* GetPassages(
      grpc::CallbackServerContext* context,
      const v1::GetPassagesRequest* request,
      v1::GetPassagesResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_PASSAGE_SERVICE_H_
