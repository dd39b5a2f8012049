#include "services/embedding/failover_provider.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/log/log.h"
#include "libs/status/errors.h"
#include "services/embedding/open_texts.h"

namespace engram::embedding {
namespace {

// Two servers of one model differ by rounding; two models have nothing to do
// with each other.
constexpr double kLeastCosine = 0.99;
// Paid for once an endpoint.
constexpr size_t kMaxWitnessBytes = 1024;

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0;
  double a_squares = 0;
  double b_squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    a_squares += double{a[i]} * a[i];
    b_squares += double{b[i]} * b[i];
  }
  return product / std::sqrt(a_squares * b_squares);
}

bool IsEndpointsFault(const absl::Status& status) {
  return !status.ok() && !absl::IsInvalidArgument(status) &&
         !absl::IsAborted(status) && !absl::IsCancelled(status);
}

}  // namespace

// One call, from endpoint to endpoint.
class FailoverProvider::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(FailoverProvider& owner, const EmbedCall& call, EmbedDone done)
      : owner_(owner), texts_(call), done_(std::move(done)) {}

  // Gives the texts that have no vector yet to the endpoint that is due.
  void Try() {
    const auto witness = owner_.witness();
    const Trust trust = owner_.TrustIn(endpoint_);
    if (trust == Trust::kRefused) {
      return FailRound(NotTheSame());
    }
    // Scores of a reranker are compared with nothing of other calls.
    if (trust == Trust::kProven || witness == nullptr ||
        witness->endpoint == endpoint_ || !texts_.call().query.empty()) {
      return Send();
    }
    Prove(witness);
  }

 private:
  Provider& endpoint() { return *owner_.endpoints_[endpoint_]; }

  absl::Status NotTheSame() const {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_FINGERPRINT_MISMATCH,
        absl::StrCat("model ", owner_.model().name, ": endpoint ",
                     endpoint_ + 1,
                     " makes other vectors than the others; remove it from "
                     "fallbacks, or correct it, and restart"),
        {{"model", owner_.model().name}});
  }

  void Prove(const std::shared_ptr<const Witness>& witness) {
    const auto text = std::make_shared<absl::string_view>(witness->text);
    endpoint().Start({.texts = {text.get(), 1},
                      .purpose = witness->purpose,
                      .caller = texts_.caller()},
                     [work = shared_from_this(), witness,
                      text](std::vector<EmbedResult> results) {
                       work->Judge(*witness, results[0]);
                     });
  }

  void Judge(const Witness& witness, const EmbedResult& result) {
    if (!result.ok()) return FailRound(result.status());
    // Not a number if a vector is zero.
    if (!(Cosine(witness.vector, result->vector) >= kLeastCosine)) {
      log::Error("an endpoint serves another model; it is not used",
                 {{"model", owner_.model().name},
                  {"endpoint", static_cast<int64_t>(endpoint_ + 1)}});
      owner_.SetTrust(endpoint_, Trust::kRefused);
      return FailRound(NotTheSame());
    }
    owner_.SetTrust(endpoint_, Trust::kProven);
    Send();
  }

  void Send() {
    endpoint().Start(texts_.call(), [work = shared_from_this()](
                                        std::vector<EmbedResult> results) {
      work->owner_.KeepWitness(work->texts_.call(), results, work->endpoint_);
      work->Take(std::move(results));
    });
  }

  void FailRound(const absl::Status& error) {
    Take(FailAll(texts_.call().texts.size(), error));
  }

  void Take(std::vector<EmbedResult> results) {
    // What the first endpoint says is kept: it is the one that is meant.
    texts_.Take(std::move(results),
                [](absl::string_view&, const EmbedResult& result) {
                  return IsEndpointsFault(result.status());
                });
    if (texts_.empty() || ++endpoint_ == owner_.endpoints_.size() ||
        texts_.caller()->has_left()) {
      return done_(texts_.TakeResults());
    }
    Try();
  }

  FailoverProvider& owner_;
  OpenTexts texts_;
  EmbedDone done_;
  size_t endpoint_ = 0;
};

FailoverProvider::FailoverProvider(
    std::vector<std::unique_ptr<Provider>> endpoints)
    : endpoints_(std::move(endpoints)),
      trust_(endpoints_.size(), Trust::kUnproven) {}

absl::Status FailoverProvider::health() const {
  absl::Status first = endpoints_[0]->health();
  for (const auto& endpoint : endpoints_) {
    if (endpoint->health().ok()) return absl::OkStatus();
  }
  return first;
}

void FailoverProvider::Start(const EmbedCall& call, EmbedDone done) {
  if (endpoints_.size() == 1)
    return endpoints_[0]->Start(call, std::move(done));
  std::make_shared<Work>(*this, call, std::move(done))->Try();
}

void FailoverProvider::Shutdown() {
  for (const auto& endpoint : endpoints_) endpoint->Shutdown();
}

FailoverProvider::Trust FailoverProvider::TrustIn(size_t endpoint) const {
  absl::MutexLock lock(&mutex_);
  return trust_[endpoint];
}

std::shared_ptr<const FailoverProvider::Witness> FailoverProvider::witness()
    const {
  absl::MutexLock lock(&mutex_);
  return witness_;
}

void FailoverProvider::KeepWitness(const EmbedCall& call,
                                   const std::vector<EmbedResult>& results,
                                   size_t endpoint) {
  if (!call.query.empty()) return;
  absl::MutexLock lock(&mutex_);
  if (witness_ != nullptr) return;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok() || call.texts[i].size() > kMaxWitnessBytes) continue;
    witness_ = std::make_shared<const Witness>(
        Witness{.text = std::string(call.texts[i]),
                .purpose = call.purpose,
                .vector = results[i]->vector,
                .endpoint = endpoint});
    return;
  }
}

void FailoverProvider::SetTrust(size_t endpoint, Trust trust) {
  absl::MutexLock lock(&mutex_);
  trust_[endpoint] = trust;
}

}  // namespace engram::embedding
