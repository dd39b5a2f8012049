#ifndef ENGRAM_SERVICES_STORAGE_ENTRIES_CALL_H_
#define ENGRAM_SERVICES_STORAGE_ENTRIES_CALL_H_

#include <grpcpp/support/server_callback.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/clock/clock.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/call_join.h"
#include "services/storage/database.h"
#include "services/storage/database_registry.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/embedding_usage.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {

// A call that says what came of texts that were leased: that they have vectors,
// or why not. Checks its entries, writes them and what they used, each
// database's in one write, and ends when the last of these has committed.
//
// `Entry` is what the request has, `Checked` what Check makes of it, with
// `entry` and `generation`; `Response` has a result for each entry, in their
// order.
template <typename Request, typename Response, typename Entry, typename Checked,
          typename Result>
class EntriesCall
    : public std::enable_shared_from_this<
          EntriesCall<Request, Response, Entry, Checked, Result>> {
 public:
  using Entries = google::protobuf::RepeatedPtrField<Entry>;

  // `entries` are the field `name` of the request. All must live until the
  // call ends.
  EntriesCall(const Request* request, absl::string_view name,
              const Entries* entries, Response* response,
              grpc::ServerUnaryReactor* reactor, absl::Time deadline,
              const Clock* clock)
      : request_(request),
        name_(name),
        entries_(entries),
        response_(response),
        deadline_(deadline),
        clock_(clock),
        join_(reactor) {}
  virtual ~EntriesCall() = default;

  void Start(const DatabaseRegistry& registry) {
    const absl::Status status = Decode(registry);
    if (!status.ok()) return join_.End(status);
    for (int i = 0; i < entries_->size(); ++i) response_->add_results();
    for (auto& [database, part] : parts_) Submit(part);
    join_.End(absl::OkStatus());
  }

 protected:
  // The entries that go to one database.
  struct Part {
    Database* database = nullptr;
    std::vector<Checked> entries;
    // Each entry's place in the request, what it used, and whether that counts
    // even if it is dropped.
    std::vector<int> places;
    std::vector<v1::EmbeddingUsage> usages;
    std::vector<bool> are_leased;
    std::vector<Result> results;
  };

 private:
  // Checks an entry; mistakes are added at `path`.
  virtual Checked Check(const Catalog& catalog, const Entry& entry,
                        absl::string_view path,
                        FieldViolations& violations) const = 0;
  // Writes a part's entries; gives it their results.
  virtual absl::Status Write(WriteTransaction& transaction,
                             Part& part) const = 0;
  // How much an entry is, for the bounds of the writer.
  virtual size_t Bytes(const Checked&) const { return 0; }
  // Whether the entry goes on waiting, which the outbox is told of then.
  virtual bool Postpone(EmbeddingOutbox&, const Checked&, const Result&) const {
    return false;
  }

  absl::Status Decode(const DatabaseRegistry& registry) {
    if (entries_->size() > kMaxPuts) {
      return InvalidField(name_,
                          absl::StrCat("has ", entries_->size(),
                                       " entries; give at most ", kMaxPuts));
    }
    FieldViolations violations;
    CheckProvider(request_->provider(), violations);
    for (int i = 0; i < entries_->size(); ++i) {
      const Entry& entry = entries_->Get(i);
      const std::string path = absl::StrCat(name_, "[", i, "]");
      const absl::StatusOr<Database*> database =
          registry.Find(entry.database());
      if (!database.ok()) return WithContext(database.status(), path);
      Part& part = parts_[*database];
      part.database = *database;
      part.entries.push_back(
          Check((*database)->catalog(), entry, path, violations));
      CheckUsage(entry.usage(), absl::StrCat(path, ".usage"), violations);
      part.places.push_back(i);
      part.usages.push_back(entry.usage());
      part.are_leased.push_back(
          (*database)->outbox().Holds(request_->lease_id(), entry.entry()));
    }
    return violations.ToStatus();
  }

  void Submit(Part& part) {
    size_t bytes = 0;
    for (const Checked& entry : part.entries) bytes += Bytes(entry);
    join_.Add();
    part.database->Submit(
        {.run = [this, &part](WriteTransaction& transaction) -> absl::Status {
           RETURN_IF_ERROR(Write(transaction, part));
           return StoreUsage(transaction, part);
         },
         .done =
             [self = this->shared_from_this(), &part](absl::Status status) {
               if (status.ok()) self->Take(part);
               self->join_.End(status);
             },
         .rows = part.entries.size(),
         .bytes = bytes,
         .deadline = deadline_});
  }

  absl::Status StoreUsage(WriteTransaction& transaction,
                          const Part& part) const {
    UsageSum sum;
    for (size_t i = 0; i < part.entries.size(); ++i) {
      if (part.are_leased[i] || !IsDropped(part.results[i])) {
        sum.Add(part.database->catalog(), part.entries[i].generation,
                part.usages[i]);
      }
    }
    return sum.Store(transaction, request_->provider());
  }

  // Copies one database's results to their places.
  void Take(Part& part) {
    EmbeddingOutbox& outbox = part.database->outbox();
    std::vector<AnsweredEntry> answered;
    for (size_t i = 0; i < part.places.size(); ++i) {
      const Checked& entry = part.entries[i];
      Result& result = part.results[i];
      if (!Postpone(outbox, entry, result)) {
        answered.push_back(
            {.entry = entry.entry,
             .generation = IsDropped(result) ? 0 : entry.generation});
      }
      // Places differ from one database to another, so this needs no lock.
      *response_->mutable_results(part.places[i]) = std::move(result);
    }
    outbox.Release(answered, clock_->Now());
  }

  static bool IsDropped(const Result& result) {
    return result.outcome() == Result::OUTCOME_DROPPED;
  }

  const Request* const request_;
  const absl::string_view name_;
  const Entries* const entries_;
  Response* const response_;
  const absl::Time deadline_;
  const Clock* const clock_;
  std::map<Database*, Part> parts_;
  CallJoin join_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ENTRIES_CALL_H_
