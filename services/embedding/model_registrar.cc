#include "services/embedding/model_registrar.h"

#include "absl/time/clock.h"
#include "libs/status/status_macros.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

// A storage that restarts between two calls is not seen to fail. Short enough
// that nobody waits long for a model; a repeat costs storage one read.
constexpr absl::Duration kSureFor = absl::Seconds(10);

storage::v1::RegisterModelsRequest MakeRequest(const ModelCatalog& catalog) {
  storage::v1::RegisterModelsRequest request;
  for (const auto& provider : catalog.providers()) {
    EncodeModel(catalog, provider->model(), *request.add_models());
  }
  return request;
}

}  // namespace

ModelRegistrar::ModelRegistrar(const ModelCatalog& catalog,
                               StorageClient& storage)
    : request_(MakeRequest(catalog)), storage_(storage) {}

absl::Status ModelRegistrar::EnsureRegistered() {
  if (IsSure()) return absl::OkStatus();
  // Not under the lock, so two threads may register at once: a repeat changes
  // nothing.
  const int64_t failures = storage_.failures();
  RETURN_IF_ERROR(storage_.RegisterModels(request_).status());
  absl::MutexLock lock(&mutex_);
  failures_ = failures;
  sure_until_ = absl::Now() + kSureFor;
  return absl::OkStatus();
}

bool ModelRegistrar::IsSure() const {
  absl::MutexLock lock(&mutex_);
  return failures_ == storage_.failures() && absl::Now() < sure_until_;
}

}  // namespace engram::embedding
