#include "services/search/testing/storage_proxy.h"

#include <utility>

#include "engram/storage/v1/passage.grpc.pb.h"

namespace engram::search::testing {
namespace {

grpc::Status Away() {
  return grpc::Status(grpc::StatusCode::UNAVAILABLE, "storage is away");
}

}  // namespace

class StorageProxy::Databases : public storage::v1::DatabaseService::Service {
 public:
  explicit Databases(StorageProxy& proxy) : proxy_(proxy) {}

  grpc::Status Get(grpc::ServerContext* context,
                   const storage::v1::DatabaseServiceGetRequest* request,
                   storage::v1::DatabaseServiceGetResponse* response) override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    return proxy_.storage_.databases().Get(call.context(), *request, response);
  }

  grpc::Status WatchDatabases(
      grpc::ServerContext* context,
      const storage::v1::WatchDatabasesRequest* request,
      grpc::ServerWriter<storage::v1::WatchDatabasesResponse>* writer)
      override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    const auto reader =
        proxy_.storage_.databases().WatchDatabases(call.context(), *request);
    storage::v1::WatchDatabasesResponse response;
    while (reader->Read(&response)) writer->Write(response);
    const grpc::Status status = reader->Finish();
    return proxy_.IsAway() ? Away() : status;
  }

 private:
  StorageProxy& proxy_;
};

class StorageProxy::Feed : public storage::v1::FeedService::Service {
 public:
  explicit Feed(StorageProxy& proxy) : proxy_(proxy) {}

  grpc::Status StreamSnapshot(
      grpc::ServerContext* context,
      const storage::v1::StreamSnapshotRequest* request,
      grpc::ServerWriter<storage::v1::StreamSnapshotResponse>* writer)
      override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    {
      absl::MutexLock lock(&proxy_.mutex_);
      ++proxy_.snapshots_;
    }
    const auto reader =
        proxy_.storage_.feed().StreamSnapshot(call.context(), *request);
    storage::v1::StreamSnapshotResponse response;
    while (reader->Read(&response)) {
      if (response.has_end() &&
          !proxy_.WaitWhile(proxy_.snapshots_held_, *context)) {
        call.context()->TryCancel();
      }
      writer->Write(response);
    }
    const grpc::Status status = reader->Finish();
    return proxy_.IsAway() ? Away() : status;
  }

  grpc::Status WatchChanges(
      grpc::ServerContext* context,
      const storage::v1::WatchChangesRequest* request,
      grpc::ServerWriter<storage::v1::WatchChangesResponse>* writer) override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    {
      absl::MutexLock lock(&proxy_.mutex_);
      if (std::exchange(proxy_.pruned_, false)) {
        return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "pruned");
      }
    }
    const auto reader =
        proxy_.storage_.feed().WatchChanges(call.context(), *request);
    storage::v1::WatchChangesResponse response;
    while (reader->Read(&response)) {
      if (!proxy_.WaitWhile(proxy_.feed_held_, *context)) {
        call.context()->TryCancel();
        break;
      }
      Alter alter;
      bool twice = false;
      {
        absl::MutexLock lock(&proxy_.mutex_);
        alter = proxy_.alter_;
        twice = proxy_.twice_;
      }
      if (alter) alter(response);
      writer->Write(response);
      if (twice) writer->Write(response);
    }
    const grpc::Status status = reader->Finish();
    return proxy_.IsAway() ? Away() : status;
  }

 private:
  StorageProxy& proxy_;
};

class StorageProxy::Records : public storage::v1::RecordService::Service {
 public:
  explicit Records(StorageProxy& proxy) : proxy_(proxy) {}

  grpc::Status BatchGet(grpc::ServerContext* context,
                        const storage::v1::BatchGetRequest* request,
                        storage::v1::BatchGetResponse* response) override {
    Call call(proxy_, *context);
    proxy_.CountRead();
    if (call.is_refused()) return Away();
    return proxy_.storage_.records().BatchGet(call.context(), *request,
                                              response);
  }

  grpc::Status List(grpc::ServerContext* context,
                    const storage::v1::RecordServiceListRequest* request,
                    storage::v1::RecordServiceListResponse* response) override {
    Call call(proxy_, *context);
    proxy_.CountRead();
    if (call.is_refused()) return Away();
    return proxy_.storage_.records().List(call.context(), *request, response);
  }

  grpc::Status SearchText(grpc::ServerContext* context,
                          const storage::v1::SearchTextRequest* request,
                          storage::v1::SearchTextResponse* response) override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    {
      absl::MutexLock lock(&proxy_.mutex_);
      if (!proxy_.search_text_failure_.ok()) {
        return proxy_.search_text_failure_;
      }
    }
    return proxy_.storage_.records().SearchText(call.context(), *request,
                                                response);
  }

 private:
  StorageProxy& proxy_;
};

class StorageProxy::Vectors : public storage::v1::VectorService::Service {
 public:
  explicit Vectors(StorageProxy& proxy) : proxy_(proxy) {}

  grpc::Status GetCoverage(
      grpc::ServerContext* context,
      const storage::v1::GetCoverageRequest* request,
      storage::v1::GetCoverageResponse* response) override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    return proxy_.storage_.vectors().GetCoverage(call.context(), *request,
                                                 response);
  }

 private:
  StorageProxy& proxy_;
};

class StorageProxy::Passages : public storage::v1::PassageService::Service {
 public:
  explicit Passages(StorageProxy& proxy)
      : proxy_(proxy),
        stub_(storage::v1::PassageService::NewStub(proxy.storage_.channel())) {}

  grpc::Status GetPassages(
      grpc::ServerContext* context,
      const storage::v1::GetPassagesRequest* request,
      storage::v1::GetPassagesResponse* response) override {
    Call call(proxy_, *context);
    if (call.is_refused()) return Away();
    return stub_->GetPassages(call.context(), *request, response);
  }

 private:
  StorageProxy& proxy_;
  const std::unique_ptr<storage::v1::PassageService::Stub> stub_;
};

StorageProxy::Call::Call(StorageProxy& proxy,
                         const grpc::ServerContext& context)
    : proxy_(proxy), context_(grpc::ClientContext::FromServerContext(context)) {
  absl::MutexLock lock(&proxy_.mutex_);
  is_refused_ = proxy_.away_;
  if (!is_refused_) proxy_.calls_.insert(context_.get());
}

StorageProxy::Call::~Call() {
  absl::MutexLock lock(&proxy_.mutex_);
  proxy_.calls_.erase(context_.get());
}

StorageProxy::StorageProxy(storage::testing::TestStorage& storage)
    : storage_(storage),
      databases_(std::make_unique<Databases>(*this)),
      feed_(std::make_unique<Feed>(*this)),
      records_(std::make_unique<Records>(*this)),
      vectors_(std::make_unique<Vectors>(*this)),
      passages_(std::make_unique<Passages>(*this)) {
  grpc::ServerBuilder builder;
  builder.RegisterService(databases_.get());
  builder.RegisterService(feed_.get());
  builder.RegisterService(records_.get());
  builder.RegisterService(vectors_.get());
  builder.RegisterService(passages_.get());
  server_ = builder.BuildAndStart();
  channel_ = server_->InProcessChannel(grpc::ChannelArguments());
}

StorageProxy::~StorageProxy() {
  GoAway();
  server_->Shutdown();
}

void StorageProxy::GoAway() {
  const auto is_idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return calls_.empty();
  };
  absl::MutexLock lock(&mutex_);
  away_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
  mutex_.Await(absl::Condition(&is_idle));
}

void StorageProxy::ComeBack() {
  absl::MutexLock lock(&mutex_);
  away_ = false;
}

void StorageProxy::PruneFeed() {
  absl::MutexLock lock(&mutex_);
  pruned_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

void StorageProxy::HoldFeed() {
  absl::MutexLock lock(&mutex_);
  feed_held_ = true;
}

void StorageProxy::ReleaseFeed() {
  absl::MutexLock lock(&mutex_);
  feed_held_ = false;
}

void StorageProxy::HoldSnapshots() {
  absl::MutexLock lock(&mutex_);
  snapshots_held_ = true;
}

void StorageProxy::ReleaseSnapshots() {
  absl::MutexLock lock(&mutex_);
  snapshots_held_ = false;
}

void StorageProxy::DeliverTwice() {
  absl::MutexLock lock(&mutex_);
  twice_ = true;
}

void StorageProxy::AlterFeed(Alter alter) {
  absl::MutexLock lock(&mutex_);
  alter_ = std::move(alter);
}

int StorageProxy::snapshots() const {
  absl::MutexLock lock(&mutex_);
  return snapshots_;
}

int StorageProxy::reads() const {
  absl::MutexLock lock(&mutex_);
  return reads_;
}

void StorageProxy::CountRead() {
  absl::MutexLock lock(&mutex_);
  ++reads_;
}

bool StorageProxy::IsAway() const {
  absl::MutexLock lock(&mutex_);
  return away_;
}

bool StorageProxy::WaitWhile(const bool& held, grpc::ServerContext& context) {
  const auto free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !held || away_;
  };
  absl::MutexLock lock(&mutex_);
  // In slices, because a cancelled call wakes nobody who holds a mutex.
  while (!mutex_.AwaitWithTimeout(absl::Condition(&free),
                                  absl::Milliseconds(10))) {
    if (context.IsCancelled()) return false;
  }
  return !away_;
}

void StorageProxy::FailSearchText(grpc::Status status) {
  absl::MutexLock lock(&mutex_);
  search_text_failure_ = std::move(status);
}

}  // namespace engram::search::testing
