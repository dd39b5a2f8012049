#include "services/search/passage_reader.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engram/storage/v1/passage.pb.h"
#include "libs/status/errors.h"
#include "services/search/query_decoder.h"

namespace engram::search {
namespace {

// As storage has it where records are read by id.
constexpr size_t kMaxBytes = 64 << 20;

// The texts of some hits on their way: storage answers as many at once as are
// not too much. Lives as long as storage will still call it back.
class PassageReader : public std::enable_shared_from_this<PassageReader> {
 public:
  PassageReader(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
                const PassageSource& source, std::vector<v1::Hit*> hits,
                absl::AnyInvocable<void(const absl::Status&)> done)
      : backend_(std::move(backend)),
        deadline_(deadline),
        hits_(std::move(hits)),
        done_(std::move(done)) {
    request_.set_database(source.database);
    request_.set_collection(source.collection);
    request_.set_vector_field(source.vector_field);
    request_.set_generation(source.generation);
    request_.set_position(source.position);
  }

  void AskStorage() {
    if (next_ == hits_.size()) return done_(absl::OkStatus());
    request_.clear_vectors();
    const size_t last = std::min<size_t>(next_ + kMaxRecordsRead, hits_.size());
    for (size_t i = next_; i < last; ++i) {
      storage::v1::VectorName& vector = *request_.add_vectors();
      vector.set_id(hits_[i]->id());
      vector.set_chunk(hits_[i]->chunk());
    }
    backend_->calls.Run<storage::v1::GetPassagesResponse>(
        deadline_, request_,
        [this](auto&&... arguments) {
          backend_->passages->async()->GetPassages(
              std::forward<decltype(arguments)>(arguments)...);
        },
        [self = shared_from_this()](
            absl::StatusOr<storage::v1::GetPassagesResponse> answer) {
          self->OnPassages(std::move(answer));
        });
  }

 private:
  void OnPassages(absl::StatusOr<storage::v1::GetPassagesResponse> answer) {
    if (!answer.ok()) return OnError(answer.status());
    const size_t asked = request_.vectors_size();
    const size_t count = answer->passages_size();
    if (count == 0 || count > asked) {
      return done_(absl::InternalError(
          absl::StrCat("storage answered ", asked, " passages by ", count)));
    }
    for (storage::v1::Passage& passage : *answer->mutable_passages()) {
      v1::Hit& hit = *hits_[next_++];
      if (!passage.has_text()) continue;
      bytes_ += passage.text().size();
      hit.set_passage_text(std::move(*passage.mutable_text()));
    }
    if (bytes_ > kMaxBytes) {
      return done_(absl::ResourceExhaustedError(absl::StrCat(
          "the passages take more than ", kMaxBytes >> 20,
          " MiB; ask for fewer records, or leave include.passage_text out")));
    }
    AskStorage();
  }

  void OnError(const absl::Status& status) {
    // Storage dropped the vectors, which served here until just now: what they
    // were made of is known no more.
    const bool is_dropped =
        ReasonOf(status) == common::v1::ERROR_REASON_GENERATION_UNKNOWN;
    done_(is_dropped ? absl::OkStatus()
                     : WithContext(status, "read the passages"));
  }

  const std::shared_ptr<SearchBackend> backend_;
  const absl::Time deadline_;
  const std::vector<v1::Hit*> hits_;
  absl::AnyInvocable<void(const absl::Status&)> done_;
  storage::v1::GetPassagesRequest request_;
  // The first hit that was not answered yet.
  size_t next_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

void ReadPassages(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
                  const PassageSource& source, std::vector<v1::Hit*> hits,
                  absl::AnyInvocable<void(const absl::Status&)> done) {
  std::make_shared<PassageReader>(std::move(backend), deadline, source,
                                  std::move(hits), std::move(done))
      ->AskStorage();
}

}  // namespace engram::search
