#include "services/storage/text_search.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/record_scope.h"
#include "libs/sqlite/fts5_tokenizer.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/content_hash.h"
#include "services/storage/read_target.h"
#include "services/storage/record_condition.h"
#include "services/storage/record_reader.h"
#include "services/storage/request_fields.h"
#include "services/storage/text_index.h"
#include "services/storage/text_query.h"
#include "services/storage/text_ranking.h"
#include "services/storage/text_snippets.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxQueryBytes = 8 << 10;
constexpr double kMaxWeight = 1000;

// A page ends with the record that takes it beyond this: clients take messages
// of 4 MiB.
constexpr size_t kPageBytes = 1 << 20;

// A request, read.
struct TextCall {
  // Without its match.
  TextSearch search;
  std::optional<SnippetRules> snippets;
  RecordReader::Body body = RecordReader::Body::kFields;
  int limit = 0;
  // What the page token belongs to.
  std::string list;
  std::optional<RankedRecord> after;
  std::vector<int> fields;
};

std::vector<double> DecodeWeights(const Collection& collection,
                                  const v1::SearchTextRequest& request,
                                  FieldViolations& violations) {
  std::vector<double> weights;
  for (const auto& column : collection.spec.full_text->columns) {
    weights.push_back(column.weight);
  }
  std::set<int> seen;
  for (int i = 0; i < request.weights_size(); ++i) {
    const v1::TextWeight& sent = request.weights(i);
    const std::string path = absl::StrCat("weights[", i, "]");
    const int column = DecodeTextField(
        collection, sent.field(), absl::StrCat(path, ".field"), violations);
    if (!(sent.weight() >= 0 && sent.weight() <= kMaxWeight)) {
      violations.Add(
          absl::StrCat(path, ".weight"),
          absl::StrCat("is ", sent.weight(), "; give 0 to ", kMaxWeight));
    }
    if (column < 0) continue;
    if (!seen.insert(column).second) {
      violations.Add(
          absl::StrCat(path, ".field"),
          absl::StrCat("names \"", sent.field(), "\" twice; name it once"));
    }
    weights[column] = sent.weight();
  }
  return weights;
}

// What has the same answers in the same order has the same name.
std::string ListName(const std::string& database, const Collection& collection,
                     const v1::SearchTextRequest& request) {
  v1::SearchTextRequest what;
  what.set_filter(request.filter());
  *what.mutable_parameters() = request.parameters();
  *what.mutable_weights() = request.weights();
  return absl::StrCat(
      "text/", database, "/", collection.name(), "/",
      absl::BytesToHexString(
          ContentHash::Of(absl::StrCat(HashRequest(what), request.query()))
              .bytes()));
}

// The place behind `record`, all bits of its score.
std::string EncodePlace(const RankedRecord& record) {
  uint64_t bits = 0;
  std::memcpy(&bits, &record.score, sizeof(bits));
  return absl::StrCat(absl::Hex(bits), " ", record.id);
}

absl::StatusOr<std::optional<RankedRecord>> DecodePlace(
    absl::string_view list, absl::string_view token) {
  ASSIGN_OR_RETURN(const std::string place, DecodePageToken(list, token));
  if (place.empty()) return std::nullopt;
  const size_t space = place.find(' ');
  uint64_t bits = 0;
  RankedRecord after;
  if (space != std::string::npos &&
      absl::SimpleHexAtoi(place.substr(0, space), &bits)) {
    std::memcpy(&after.score, &bits, sizeof(bits));
    after.id = place.substr(space + 1);
    if (after.score >= 0) return after;
  }
  return InvalidField("page_token", "is not a token that this list returned");
}

absl::StatusOr<TextCall> DecodeCall(const std::string& database,
                                    const Collection& collection,
                                    const v1::SearchTextRequest& request) {
  RETURN_IF_ERROR(CheckHasTextIndex(database, collection));
  TextCall call;
  FieldViolations violations;
  if (request.query().size() > kMaxQueryBytes) {
    violations.Add("query",
                   absl::StrCat("has ", request.query().size(),
                                " bytes; give at most ", kMaxQueryBytes));
  }
  filter::SharedParameters parameters(request.parameters());
  filter::Node filter =
      DecodeReadFilter(schema::RecordScope(collection.spec), request.filter(),
                       "filter", parameters, violations);
  if (!request.filter().empty()) call.search.filter = std::move(filter);
  parameters.CheckAllUsed(violations);
  call.search.weights = DecodeWeights(collection, request, violations);
  if (request.has_snippets()) {
    call.snippets =
        DecodeSnippetOptions(collection, request.snippets(), violations);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(call.fields,
                   DecodeReadMask(collection, request.read_mask()));
  if (request.typed()) call.body = RecordReader::Body::kTyped;
  ASSIGN_OR_RETURN(call.limit, DecodePageSize(request.page_size()));
  call.list = ListName(database, collection, request);
  ASSIGN_OR_RETURN(call.after, DecodePlace(call.list, request.page_token()));
  return call;
}

// The query for FTS5; nothing if it finds nothing.
absl::StatusOr<std::optional<std::string>> CompileQuery(
    sqlite::Connection& connection, const Collection& collection,
    const std::string& query) {
  ASSIGN_OR_RETURN(
      sqlite::Fts5Tokenizer tokenizer,
      sqlite::Fts5Tokenizer::Create(
          connection, Fts5TokenizerName(*collection.spec.full_text)));
  const std::vector<std::string> columns = TextColumns(collection);
  absl::Status failure;
  const std::optional<TextNode> parsed =
      ParseTextQuery(query, columns, [&](absl::string_view text) {
        const absl::StatusOr<bool> has_words = tokenizer.HasQueryWords(text);
        if (!has_words.ok()) failure = has_words.status();
        return has_words.ok() && *has_words;
      });
  RETURN_IF_ERROR(failure);
  if (!parsed.has_value()) return std::nullopt;
  return MatchExpression(*parsed, columns);
}

// Reads records that were found into an answer.
class HitReader {
 public:
  // All must outlive this object.
  static absl::StatusOr<HitReader> Create(const ReadTarget& target,
                                          const TextCall& call) {
    std::optional<SnippetReader> snippets;
    if (call.snippets.has_value()) {
      ASSIGN_OR_RETURN(
          SnippetReader reader,
          SnippetReader::Create(target.connection(), *target.collection,
                                *call.snippets, call.search.match));
      snippets.emplace(std::move(reader));
    }
    return HitReader(target, call, std::move(snippets));
  }

  absl::Status Read(const RankedRecord& ranked, v1::TextHit* hit) {
    hit->set_score(ranked.score);
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     records_.ReadById(ranked.id, hit->mutable_record()));
    if (row != ranked.row) {
      return absl::DataLossError(absl::StrCat(
          "record \"", ranked.id, "\" was found by words but cannot be read"));
    }
    if (!snippets_.has_value()) return absl::OkStatus();
    return snippets_->Read(ranked.row, hit->mutable_snippets());
  }

 private:
  HitReader(const ReadTarget& target, const TextCall& call,
            std::optional<SnippetReader> snippets)
      : records_(target.connection(), *target.collection, call.fields,
                 call.body, call.search.now_us),
        snippets_(std::move(snippets)) {}

  RecordReader records_;
  std::optional<SnippetReader> snippets_;
};

absl::Status ReadHits(const ReadTarget& target, const TextCall& call,
                      const TextRanking& ranking,
                      v1::SearchTextResponse* response) {
  ASSIGN_OR_RETURN(HitReader reader, HitReader::Create(target, call));
  size_t bytes = 0;
  for (size_t i = 0; i < ranking.records.size(); ++i) {
    v1::TextHit* hit = response->add_hits();
    RETURN_IF_ERROR(reader.Read(ranking.records[i], hit));
    bytes += hit->ByteSizeLong();
    const bool is_last = i + 1 == ranking.records.size();
    if (is_last ? ranking.more : bytes >= kPageBytes) {
      response->set_next_page_token(
          EncodePageToken(call.list, EncodePlace(ranking.records[i])));
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SearchText(Database& database,
                        const v1::SearchTextRequest& request,
                        const CallBounds& bounds,
                        v1::SearchTextResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(TextCall call,
                   DecodeCall(database.name(), *target.collection, request));
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  ASSIGN_OR_RETURN(
      std::optional<std::string> match,
      CompileQuery(target.connection(), *target.collection, request.query()));
  // Nothing to look for finds nothing.
  if (request.with_total()) response->set_total_size(0);
  if (!match.has_value()) return absl::OkStatus();
  call.search.match = *std::move(match);
  call.search.now_us = database.now_us();
  ASSIGN_OR_RETURN(const TextRanking ranking,
                   RankByText(target.connection(), *target.collection,
                              call.search, call.after, call.limit, bounds));
  if (request.with_total()) response->set_total_size(ranking.total);
  const StatementGuard guard(target.connection(), bounds);
  return guard.Explain(ReadHits(target, call, ranking, response));
}

}  // namespace engram::storage
