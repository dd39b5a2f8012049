#include "libs/metrics/grpc_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include <atomic>
#include <chrono>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace engram::metrics {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

// The names of grpc::StatusCode, 0 to 16.
constexpr const char* kCodes[] = {"OK",
                                  "Canceled",
                                  "Unknown",
                                  "InvalidArgument",
                                  "DeadlineExceeded",
                                  "NotFound",
                                  "AlreadyExists",
                                  "PermissionDenied",
                                  "ResourceExhausted",
                                  "FailedPrecondition",
                                  "Aborted",
                                  "OutOfRange",
                                  "Unimplemented",
                                  "Internal",
                                  "Unavailable",
                                  "DataLoss",
                                  "Unauthenticated"};
constexpr int kCodeCount = sizeof(kCodes) / sizeof(kCodes[0]);

const char* TypeName(ServerRpcInfo::Type type) {
  switch (type) {
    case ServerRpcInfo::Type::UNARY:
      return "unary";
    case ServerRpcInfo::Type::CLIENT_STREAMING:
      return "client_stream";
    case ServerRpcInfo::Type::SERVER_STREAMING:
      return "server_stream";
    case ServerRpcInfo::Type::BIDI_STREAMING:
      break;
  }
  return "bidi_stream";
}

// The metrics of one method.
class Method {
 public:
  Method(prometheus::Labels labels,
         prometheus::Family<prometheus::Counter>& started,
         prometheus::Family<prometheus::Counter>& handled,
         prometheus::Family<prometheus::Histogram>& seconds)
      : started_(started.Add(labels)),
        // From 50 us, an in-memory answer, to 60 s, a long poll.
        seconds_(seconds.Add(
            labels,
            prometheus::Histogram::BucketBoundaries{
                50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3,
                50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60})),
        handled_family_(handled),
        labels_(std::move(labels)) {}

  void Start() { started_.Increment(); }

  void Handle(int code, double seconds) {
    seconds_.Observe(seconds);
    HandledBy(code < 0 || code >= kCodeCount ? 2 : code).Increment();
  }

 private:
  // Codes that never happen take no time series.
  prometheus::Counter& HandledBy(int code) {
    prometheus::Counter* counter = handled_[code];
    if (counter == nullptr) {
      prometheus::Labels labels = labels_;
      labels["grpc_code"] = kCodes[code];
      // Add returns the same counter to racing threads.
      counter = &handled_family_.Add(labels);
      handled_[code] = counter;
    }
    return *counter;
  }

  prometheus::Counter& started_;
  prometheus::Histogram& seconds_;
  prometheus::Family<prometheus::Counter>& handled_family_;
  const prometheus::Labels labels_;
  std::atomic<prometheus::Counter*> handled_[kCodeCount] = {};
};

class MetricsInterceptor : public Interceptor {
 public:
  explicit MetricsInterceptor(Method& method) : method_(method) {
    method_.Start();
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      const std::chrono::duration<double> elapsed =
          std::chrono::steady_clock::now() - start_;
      method_.Handle(methods->GetSendStatus().error_code(), elapsed.count());
    }
    methods->Proceed();
  }

 private:
  Method& method_;
  const std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

class GrpcServerMetrics : public ServerInterceptorFactoryInterface {
 public:
  explicit GrpcServerMetrics(prometheus::Registry& registry)
      : started_(prometheus::BuildCounter()
                     .Name("grpc_server_started_total")
                     .Help("Calls started on the server.")
                     .Register(registry)),
        handled_(prometheus::BuildCounter()
                     .Name("grpc_server_handled_total")
                     .Help("Calls ended on the server, by status code.")
                     .Register(registry)),
        seconds_(prometheus::BuildHistogram()
                     .Name("grpc_server_handling_seconds")
                     .Help("Time from a call's start to its status.")
                     .Register(registry)) {}

  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    return new MetricsInterceptor(MethodOf(*info));
  }

 private:
  Method& MethodOf(const ServerRpcInfo& info) {
    const absl::string_view path = info.method();
    {
      absl::ReaderMutexLock lock(&mutex_);
      const auto found = methods_.find(path);
      if (found != methods_.end()) return found->second;
    }
    // "/engram.storage.v1.RecordService/Write"
    const size_t slash = path.rfind('/');
    prometheus::Labels labels = {
        {"grpc_type", TypeName(info.type())},
        {"grpc_service", std::string(path.substr(1, slash - 1))},
        {"grpc_method", std::string(path.substr(slash + 1))}};
    absl::MutexLock lock(&mutex_);
    return methods_
        .try_emplace(path, std::move(labels), started_, handled_, seconds_)
        .first->second;
  }

  prometheus::Family<prometheus::Counter>& started_;
  prometheus::Family<prometheus::Counter>& handled_;
  prometheus::Family<prometheus::Histogram>& seconds_;

  absl::Mutex mutex_;
  // Only methods that the server has get here, so this is bounded.
  absl::node_hash_map<std::string, Method> methods_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<ServerInterceptorFactoryInterface> MakeGrpcServerMetrics(
    prometheus::Registry& registry) {
  return std::make_unique<GrpcServerMetrics>(registry);
}

}  // namespace engram::metrics
