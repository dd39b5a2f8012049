#include "services/embedding/migration_estimate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/vector_text.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"
#include "libs/status/status_macros.h"
#include "services/embedding/chunked_entry.h"
#include "services/embedding/model_codec.h"

namespace engram::embedding {
namespace {

using google::protobuf::RepeatedPtrField;
using google::protobuf::util::TimeUtil;
using storage::v1::Generation;
using storage::v1::Record;
using Response = v1::EstimateMigrationResponse;

constexpr int64_t kMaxRecords = 1000;
constexpr int64_t kMaxSampledBytes = 8 << 20;
// Enough to tell a model's speed, and cheap.
constexpr size_t kMaxProbes = 64;
constexpr absl::Duration kMaxProbeTime = absl::Seconds(60);
constexpr double kNanousdPerUsd = 1e9;
constexpr double kSecondsPerMinute = 60;

// What is to be embedded, and how.
struct Target {
  Provider* provider = nullptr;
  schema::CollectionSpec collection;
  // Of its vectors, what makes the texts.
  schema::VectorFieldSpec text;
  std::optional<storage::v1::Chunking> chunking;
  // See EstimateMigrationResponse.
  int64_t generation = 0;
};

// What becomes one vector, with its tokens by the provider's CountTokens.
struct SampledChunk {
  std::string text;
  int tokens = 0;
};

// A sample of what is to be embedded.
struct TextSample {
  int64_t records = 0;
  int64_t texts = 0;
  int64_t bytes = 0;
  int64_t too_long = 0;
  int64_t tokens = 0;
  std::vector<SampledChunk> chunks;
};

// What some of the sample took.
struct Probe {
  // Those that the model embedded now.
  int64_t chunks = 0;
  absl::Duration time;
  // Of all that have a vector: by CountTokens, and as the provider counts.
  int64_t tokens = 0;
  int64_t provider_tokens = 0;
  absl::Status error;
};

std::vector<std::string> ToVector(const RepeatedPtrField<std::string>& names) {
  return {names.begin(), names.end()};
}

// The vector field that is meant; null if the collection has none such.
absl::StatusOr<const storage::v1::VectorField*> FindField(
    const storage::v1::Collection& collection,
    const v1::EstimateMigrationRequest& request) {
  const auto& fields = collection.vector_fields();
  if (request.vector_field().empty() && fields.size() == 1) return &fields[0];
  for (const auto& field : fields) {
    if (field.name() == request.vector_field()) return &field;
  }
  if (request.source_size() > 0) return nullptr;
  if (request.vector_field().empty() && !fields.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("vector_field: is empty, and \"", collection.name(),
                     "\" has ", fields.size(), " vector fields; name one"));
  }
  return MakeError(
      absl::StatusCode::kNotFound,
      common::v1::ERROR_REASON_VECTOR_FIELD_UNKNOWN,
      absl::StrCat("collection \"", collection.name(),
                   "\" has no vector field \"", request.vector_field(),
                   "\"; for one that is yet to be declared give source"));
}

// Reports sources that no text can be made of.
absl::Status CheckText(const Target& target) {
  FieldViolations violations;
  for (size_t i = 0; i < target.text.source.size(); ++i) {
    const std::string& name = target.text.source[i];
    const schema::FieldSpec* field = target.collection.FindField(name);
    const std::string path = absl::StrCat("source[", i, "]");
    if (field == nullptr) {
      violations.Add(
          path, absl::StrCat("names \"", name, "\", which is no field of \"",
                             target.collection.name, "\""));
    } else if (field->type != schema::FieldType::kString &&
               field->type != schema::FieldType::kText &&
               field->type != schema::FieldType::kStrings) {
      violations.Add(
          path, absl::StrCat("names \"", name, "\", whose type is ",
                             schema::FieldTypeName(field->type),
                             "; only string, text and strings are embedded"));
    }
  }
  if (!target.text.text_template.empty()) {
    const auto parts = schema::ParseTextTemplate(target.text.text_template,
                                                 target.text.source);
    if (!parts.ok()) violations.Add("template", parts.status().message());
  }
  return violations.ToStatus();
}

bool SameChunking(const Generation& generation, const Target& target) {
  if (generation.has_chunking() != target.chunking.has_value()) return false;
  return !target.chunking.has_value() ||
         generation.chunking().SerializeAsString() ==
             target.chunking->SerializeAsString();
}

// Whether `generation` has the vectors that `target` would have.
bool Holds(const Generation& generation, const Target& target) {
  return generation.fingerprint() == target.provider->model().fingerprint &&
         ToVector(generation.source()) == target.text.source &&
         generation.template_() == target.text.text_template &&
         SameChunking(generation, target);
}

absl::StatusOr<Target> ReadTarget(const v1::EstimateMigrationRequest& request,
                                  const ModelCatalog& catalog,
                                  StorageClient& storage) {
  Target target;
  ASSIGN_OR_RETURN(
      target.provider,
      catalog.Find(request.model() == "default" ? "" : request.model()));
  storage::v1::GetCollectionRequest wanted;
  wanted.set_database(request.database());
  wanted.set_collection(request.collection());
  ASSIGN_OR_RETURN(const auto response, storage.GetCollection(wanted));
  const storage::v1::Collection& collection = response.collection();
  ASSIGN_OR_RETURN(
      target.collection,
      schema::ParseCollection(collection.name(), collection.schema()));
  ASSIGN_OR_RETURN(const storage::v1::VectorField* const field,
                   FindField(collection, request));
  if (request.source_size() > 0) {
    target.text.source = ToVector(request.source());
    target.text.text_template = request.template_();
  } else if (field->supplied()) {
    return absl::FailedPreconditionError(
        absl::StrCat("clients bring the vectors of \"", field->name(),
                     "\", so no text of it is embedded; give source"));
  } else {
    target.text.source = ToVector(field->generation().source());
    target.text.text_template = field->generation().template_();
  }
  if (request.has_chunking()) {
    target.chunking = request.chunking();
  } else if (field != nullptr && field->generation().has_chunking()) {
    target.chunking = field->generation().chunking();
  }
  if (target.chunking.has_value() &&
      target.chunking->method() == storage::v1::Chunking::METHOD_UNSPECIFIED) {
    target.chunking.reset();
  }
  RETURN_IF_ERROR(CheckText(target));
  if (field == nullptr) return target;
  if (Holds(field->generation(), target)) {
    target.generation = field->generation().id();
  }
  for (const Generation& other : field->other_generations()) {
    if (Holds(other, target)) target.generation = other.id();
  }
  return target;
}

std::optional<std::string> TextOf(const Record& record, const Target& target) {
  std::vector<schema::FieldValue> values;
  for (const std::string& name : target.text.source) {
    const auto& fields = record.fields().fields();
    const auto found = fields.find(name);
    const schema::FieldSpec* field = target.collection.FindField(name);
    absl::StatusOr<schema::FieldValue> value = schema::FieldValue();
    if (found != fields.end()) {
      value = schema::DecodeValue(field->type, found->second);
    }
    values.push_back(value.ok() ? *std::move(value) : schema::FieldValue());
  }
  return schema::VectorText(target.collection, target.text, values);
}

absl::Status AddText(const std::string& text, const Target& target,
                     TextSample& sample) {
  storage::v1::OutboxEntry entry;
  entry.set_text(text);
  if (target.chunking.has_value()) *entry.mutable_chunking() = *target.chunking;
  ASSIGN_OR_RETURN(const ChunkedEntry cut,
                   ChunkedEntry::Create(entry, *target.provider));
  const int max_tokens = target.provider->model().max_tokens;
  for (const absl::string_view chunk : cut.texts()) {
    const int tokens = target.provider->CountTokens(chunk);
    sample.tokens += tokens;
    if (max_tokens > 0 && tokens > max_tokens) ++sample.too_long;
    sample.chunks.push_back({std::string(chunk), tokens});
  }
  ++sample.texts;
  sample.bytes += static_cast<int64_t>(text.size());
  return absl::OkStatus();
}

Probe Embed(const TextSample& sample, Provider& provider, absl::Time deadline) {
  Probe probe;
  std::vector<absl::string_view> texts;
  std::vector<int> tokens;
  const int limit = provider.limits().texts;
  const int max_tokens = provider.model().max_tokens;
  for (const SampledChunk& chunk : sample.chunks) {
    if (texts.size() == kMaxProbes ||
        (limit > 0 && texts.size() == static_cast<size_t>(limit))) {
      break;
    }
    if (max_tokens > 0 && chunk.tokens > max_tokens) continue;
    texts.push_back(chunk.text);
    tokens.push_back(chunk.tokens);
  }
  if (texts.empty()) return probe;
  const absl::Time start = absl::Now();
  const std::vector<EmbedResult> results = provider.EmbedEach(
      texts, Purpose::kDocument, std::min(deadline, start + kMaxProbeTime));
  probe.time = absl::Now() - start;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].ok()) {
      if (probe.error.ok()) probe.error = results[i].status();
      continue;
    }
    if (results[i]->spent.tokens > 0) ++probe.chunks;
    probe.tokens += tokens[i];
    probe.provider_tokens += results[i]->tokens;
  }
  if (probe.provider_tokens > 0) probe.error = absl::OkStatus();
  return probe;
}

// Sets duration and bottleneck.
void EstimateTime(const Probe& probe, Provider& provider, IndexerPace pace,
                  Response& response) {
  if (probe.chunks == 0) return;
  const CallLimits limits = provider.limits();
  const RateLimits rates = provider.rate_limits();
  const auto chunks = static_cast<double>(response.chunks());
  const int at_once =
      limits.calls > 0 ? std::min(pace.threads, limits.calls) : pace.threads;
  double seconds = absl::ToDoubleSeconds(probe.time) /
                   static_cast<double>(probe.chunks) * chunks / at_once;
  response.set_bottleneck(Response::BOTTLENECK_MODEL);
  const auto consider = [&](double other, Response::Bottleneck bottleneck) {
    if (other <= seconds) return;
    seconds = other;
    response.set_bottleneck(bottleneck);
  };
  if (rates.requests > 0) {
    const int batch =
        limits.texts > 0 ? std::min(pace.batch, limits.texts) : pace.batch;
    double requests = chunks / batch;
    if (limits.tokens > 0) {
      requests = std::max(requests, static_cast<double>(response.tokens()) /
                                        static_cast<double>(limits.tokens));
    }
    consider(std::ceil(requests) / static_cast<double>(rates.requests) *
                 kSecondsPerMinute,
             Response::BOTTLENECK_REQUEST_RATE);
  }
  if (rates.tokens > 0) {
    consider(static_cast<double>(response.tokens()) /
                 static_cast<double>(rates.tokens) * kSecondsPerMinute,
             Response::BOTTLENECK_TOKEN_RATE);
  }
  *response.mutable_duration() =
      TimeUtil::MillisecondsToDuration(std::llround(seconds * 1e3));
}

}  // namespace

absl::StatusOr<Response> EstimateMigration(
    const v1::EstimateMigrationRequest& request, const ModelCatalog& catalog,
    IndexerPace pace, StorageClient& storage, absl::Time deadline,
    StillWanted still_wanted) {
  ASSIGN_OR_RETURN(const Target target, ReadTarget(request, catalog, storage));
  TextSample sample;
  const auto take =
      [&](absl::Span<const Record* const> records) -> absl::StatusOr<bool> {
    for (const Record* const record : records) {
      ++sample.records;
      const std::optional<std::string> text = TextOf(*record, target);
      if (text.has_value()) RETURN_IF_ERROR(AddText(*text, target, sample));
    }
    return sample.bytes < kMaxSampledBytes;
  };
  ASSIGN_OR_RETURN(const int64_t records,
                   SampleRecords(storage,
                                 {request.database(), request.collection(),
                                  target.text.source},
                                 kMaxRecords, still_wanted, take));
  Provider& provider = *target.provider;
  const Probe probe = Embed(sample, provider, deadline);

  Response response;
  EncodeModel(catalog, provider.model(), *response.mutable_model());
  response.set_records(records);
  response.set_sampled_records(sample.records);
  response.set_generation(target.generation);
  const double scale =
      sample.records == 0
          ? 0
          : static_cast<double>(records) / static_cast<double>(sample.records);
  const auto scaled = [&](int64_t value) {
    return std::llround(static_cast<double>(value) * scale);
  };
  response.set_texts(scaled(sample.texts));
  response.set_chunks(scaled(static_cast<int64_t>(sample.chunks.size())));
  response.set_too_long_chunks(scaled(sample.too_long));
  const double counted = probe.provider_tokens == 0 || probe.tokens == 0
                             ? 1
                             : static_cast<double>(probe.provider_tokens) /
                                   static_cast<double>(probe.tokens);
  response.set_tokens(
      std::llround(static_cast<double>(sample.tokens) * counted * scale));
  response.set_cost_nanousd(std::llround(
      static_cast<double>(response.tokens()) *
      provider.model().usd_per_million_tokens / 1e6 * kNanousdPerUsd));
  response.set_vector_bytes(response.chunks() * provider.model().dimensions *
                            static_cast<int64_t>(sizeof(float)));
  EstimateTime(probe, provider, pace, response);
  if (!probe.error.ok()) *response.mutable_error() = ToRpcStatus(probe.error);
  return response;
}

}  // namespace engram::embedding
