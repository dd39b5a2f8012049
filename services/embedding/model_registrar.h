#ifndef ENGRAM_SERVICES_EMBEDDING_MODEL_REGISTRAR_H_
#define ENGRAM_SERVICES_EMBEDDING_MODEL_REGISTRAR_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/catalog.pb.h"
#include "services/embedding/model_catalog.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// Tells storage which models there are, so that schemas can name them.
//
// Thread-safe.
class ModelRegistrar {
 public:
  // `storage` must outlive this object.
  ModelRegistrar(const ModelCatalog& catalog, StorageClient& storage);

  // Registers the models unless the storage that is there now is sure to know
  // them: it is asked again after a call of it has failed, for it may have been
  // replaced by an empty one, and every ten seconds.
  absl::Status EnsureRegistered();

 private:
  bool IsSure() const;

  const storage::v1::RegisterModelsRequest request_;
  StorageClient& storage_;

  mutable absl::Mutex mutex_;
  absl::Time sure_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Of `storage_`, before the registration.
  int64_t failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MODEL_REGISTRAR_H_
