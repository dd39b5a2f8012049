#include "services/embedding/generation_comparison.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/embedding/ranking_comparison.h"

namespace engram::embedding {
namespace {

using storage::v1::Generation;
using storage::v1::GenerationStatus;
using storage::v1::Record;
using storage::v1::RecordVectors;
using Request = v1::CompareGenerationsRequest;
using Response = v1::CompareGenerationsResponse;

constexpr int64_t kMaxRecords = 20'000;
constexpr int64_t kMaxVectorBytes = 256 << 20;
constexpr int kMaxQueries = 1000;
constexpr int kDefaultQueries = 200;
constexpr size_t kShownQueries = 10;

absl::Status CheckRequest(const Request& request) {
  FieldViolations violations;
  if (request.queries_size() > kMaxQueries) {
    violations.Add("queries", absl::StrCat("has ", request.queries_size(),
                                           " texts; at most ", kMaxQueries));
  }
  for (int i = 0; i < request.queries_size(); ++i) {
    if (!request.queries(i).empty()) continue;
    violations.Add(absl::StrCat("queries[", i, "]"), "is empty; leave it out");
  }
  if (request.sampled_queries() < 0 ||
      request.sampled_queries() > kMaxQueries) {
    violations.Add(
        "sampled_queries",
        absl::StrCat("is ", request.sampled_queries(), "; give 1 to ",
                     kMaxQueries, ", or 0 for ", kDefaultQueries));
  }
  return violations.ToStatus();
}

// What is compared.
struct Pair {
  std::string vector_field;
  Generation baseline;
  Generation candidate;
};

absl::StatusOr<Pair> FindPair(const Request& request, StorageClient& storage) {
  storage::v1::ListGenerationsRequest wanted;
  wanted.set_database(request.database());
  wanted.set_collection(request.collection());
  wanted.set_vector_field(request.vector_field());
  ASSIGN_OR_RETURN(const auto listed, storage.ListGenerations(wanted));
  Pair pair;
  for (const GenerationStatus& status : listed.generations()) {
    if (pair.vector_field.empty()) pair.vector_field = status.vector_field();
    if (status.vector_field() != pair.vector_field) {
      return absl::InvalidArgumentError(
          absl::StrCat("vector_field: is empty, and \"", request.collection(),
                       "\" has several vector fields; name one"));
    }
    const bool serves = status.state() == GenerationStatus::STATE_SERVING;
    const int64_t id = status.generation().id();
    if (request.baseline_generation() == 0
            ? serves
            : id == request.baseline_generation()) {
      pair.baseline = status.generation();
    }
  }
  // They are listed by id, so the newest is the last.
  for (const GenerationStatus& status : listed.generations()) {
    const int64_t id = status.generation().id();
    if (request.candidate_generation() == 0
            ? id != pair.baseline.id()
            : id == request.candidate_generation()) {
      pair.candidate = status.generation();
    }
  }
  FieldViolations violations;
  const auto check = [&](const char* field, int64_t wanted_id,
                         const Generation& found) {
    if (wanted_id == 0 || found.id() != 0) return;
    violations.Add(field, absl::StrCat("is ", wanted_id,
                                       ", which the vector field does not "
                                       "have; see ListGenerations"));
  };
  check("baseline_generation", request.baseline_generation(), pair.baseline);
  check("candidate_generation", request.candidate_generation(), pair.candidate);
  RETURN_IF_ERROR(violations.ToStatus());
  if (pair.baseline.id() == 0 || pair.candidate.id() == 0 ||
      pair.baseline.id() == pair.candidate.id()) {
    return absl::FailedPreconditionError(
        "there is only one generation, and so nothing to compare it with; "
        "apply a schema that names another model, with cutover: manual");
  }
  return pair;
}

// The records that have vectors of both generations.
struct Sample {
  explicit Sample(const Pair& pair)
      : baseline(pair.baseline.dimensions(), pair.baseline.metric()),
        candidate(pair.candidate.dimensions(), pair.candidate.metric()) {}

  std::vector<std::string> ids;
  SearchedVectors baseline;
  SearchedVectors candidate;
  int64_t incomplete = 0;
};

using VectorsById = absl::flat_hash_map<std::string, std::vector<float>>;

// Reads the vectors that `records` have of `generation`, of their present text.
absl::StatusOr<VectorsById> ReadVectors(const Request& request,
                                        const std::string& vector_field,
                                        const Generation& generation,
                                        absl::Span<const Record* const> records,
                                        StorageClient& storage) {
  VectorsById vectors;
  while (!records.empty()) {
    storage::v1::GetVectorsRequest wanted;
    wanted.set_database(request.database());
    wanted.set_collection(request.collection());
    wanted.set_vector_field(vector_field);
    wanted.set_generation(generation.id());
    for (const Record* const record : records) wanted.add_ids(record->id());
    ASSIGN_OR_RETURN(const auto answer, storage.GetVectors(wanted));
    if (answer.records().empty()) {
      return absl::InternalError("storage answered with no record's vectors");
    }
    for (const RecordVectors& record : answer.records()) {
      if (record.state() != RecordVectors::STATE_EMBEDDED) continue;
      std::vector<float>& values = vectors[record.id()];
      for (const common::v1::Vector& chunk : record.chunks()) {
        const std::vector<float> one = vector::Unpack(chunk.values());
        values.insert(values.end(), one.begin(), one.end());
      }
    }
    records.remove_prefix(answer.records_size());
  }
  return vectors;
}

absl::StatusOr<Sample> ReadSample(const Request& request, const Pair& pair,
                                  StorageClient& storage,
                                  StillWanted still_wanted) {
  Sample sample(pair);
  const auto take =
      [&](absl::Span<const Record* const> records) -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(const VectorsById baseline,
                     ReadVectors(request, pair.vector_field, pair.baseline,
                                 records, storage));
    ASSIGN_OR_RETURN(const VectorsById candidate,
                     ReadVectors(request, pair.vector_field, pair.candidate,
                                 records, storage));
    for (const Record* const record : records) {
      const auto of_baseline = baseline.find(record->id());
      const auto of_candidate = candidate.find(record->id());
      if (of_baseline == baseline.end() && of_candidate == candidate.end()) {
        // A text that cannot be embedded, or none.
        continue;
      }
      if (of_baseline == baseline.end() || of_candidate == candidate.end()) {
        ++sample.incomplete;
        continue;
      }
      sample.ids.push_back(record->id());
      sample.baseline.Add(of_baseline->second);
      sample.candidate.Add(of_candidate->second);
    }
    return sample.baseline.bytes() + sample.candidate.bytes() < kMaxVectorBytes;
  };
  RETURN_IF_ERROR(SampleRecords(storage,
                                {request.database(), request.collection(), {}},
                                kMaxRecords, still_wanted, take)
                      .status());
  return sample;
}

// Embeds the queries by the generation's own model.
absl::StatusOr<std::vector<EmbeddedText>> EmbedQueries(
    const Request& request, const Generation& generation,
    const ModelCatalog& catalog, absl::Time deadline) {
  Provider* const provider =
      catalog.FindByFingerprint(generation.fingerprint());
  if (provider == nullptr) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_MODEL_UNKNOWN,
        absl::StrCat("model ", generation.model(), " (",
                     generation.fingerprint(), ") of generation ",
                     generation.id(),
                     " is not configured here, so queries cannot be embedded; "
                     "configure it, or give no queries"),
        {{"model", generation.model()}});
  }
  const std::vector<absl::string_view> texts(request.queries().begin(),
                                             request.queries().end());
  return AllOrNothing(provider->EmbedEach(texts, Purpose::kQuery, deadline),
                      "queries");
}

// Collects what the queries found.
class Summary {
 public:
  explicit Summary(const Sample& sample) : sample_(sample) {}

  void Add(const std::string& query, absl::Span<const float> baseline,
           absl::Span<const float> candidate, int excluded) {
    const RankingComparison compared =
        CompareRankings(sample_.baseline.Score(baseline),
                        sample_.candidate.Score(candidate), excluded);
    v1::ComparedQuery& encoded = queries_.emplace_back();
    encoded.set_query(query);
    encoded.set_overlap(compared.overlap);
    encoded.set_rank_correlation(compared.rank_correlation);
    for (const int record : compared.first) {
      encoded.add_baseline_ids(sample_.ids[record]);
    }
    for (const int record : compared.second) {
      encoded.add_candidate_ids(sample_.ids[record]);
    }
  }

  void Encode(Response& response) && {
    if (queries_.empty()) return;
    double overlap = 0;
    double correlation = 0;
    for (const v1::ComparedQuery& query : queries_) {
      overlap += query.overlap();
      correlation += query.rank_correlation();
    }
    const auto count = static_cast<double>(queries_.size());
    response.set_queries(static_cast<int64_t>(queries_.size()));
    response.set_overlap(overlap / count);
    response.set_rank_correlation(correlation / count);
    std::stable_sort(
        queries_.begin(), queries_.end(), [](const auto& a, const auto& b) {
          return std::make_pair(a.overlap(), a.rank_correlation()) <
                 std::make_pair(b.overlap(), b.rank_correlation());
        });
    queries_.resize(std::min(queries_.size(), kShownQueries));
    for (v1::ComparedQuery& query : queries_) {
      *response.add_least_alike() = std::move(query);
    }
  }

 private:
  const Sample& sample_;
  std::vector<v1::ComparedQuery> queries_;
};

}  // namespace

absl::StatusOr<Response> CompareGenerations(const Request& request,
                                            const ModelCatalog& catalog,
                                            StorageClient& storage,
                                            absl::Time deadline,
                                            StillWanted still_wanted) {
  RETURN_IF_ERROR(CheckRequest(request));
  ASSIGN_OR_RETURN(const Pair pair, FindPair(request, storage));
  std::vector<EmbeddedText> baseline;
  std::vector<EmbeddedText> candidate;
  if (!request.queries().empty()) {
    ASSIGN_OR_RETURN(baseline,
                     EmbedQueries(request, pair.baseline, catalog, deadline));
    ASSIGN_OR_RETURN(candidate,
                     EmbedQueries(request, pair.candidate, catalog, deadline));
  }
  ASSIGN_OR_RETURN(const Sample sample,
                   ReadSample(request, pair, storage, still_wanted));
  Response response;
  *response.mutable_baseline() = pair.baseline;
  *response.mutable_candidate() = pair.candidate;
  response.set_records(static_cast<int64_t>(sample.ids.size()));
  response.set_incomplete_records(sample.incomplete);
  const auto records = static_cast<int>(sample.ids.size());
  if (records == 0) return response;
  Summary summary(sample);
  for (int i = 0; i < request.queries_size(); ++i) {
    RETURN_IF_ERROR(still_wanted());
    summary.Add(request.queries(i), baseline[i].vector, candidate[i].vector,
                -1);
  }
  if (request.queries().empty() && records > 1) {
    const int wanted = request.sampled_queries() == 0
                           ? kDefaultQueries
                           : request.sampled_queries();
    const int queries = std::min(wanted, records);
    for (int i = 0; i < queries; ++i) {
      RETURN_IF_ERROR(still_wanted());
      // Spread over the sample, which is in order where it is the whole.
      const int record = static_cast<int>(int64_t{i} * records / queries);
      summary.Add(sample.ids[record], sample.baseline.FirstOf(record),
                  sample.candidate.FirstOf(record), record);
    }
  }
  std::move(summary).Encode(response);
  return response;
}

}  // namespace engram::embedding
