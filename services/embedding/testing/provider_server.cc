#include "services/embedding/testing/provider_server.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/json/json.h"
#include "services/embedding/testing/text_vector.h"

namespace engram::embedding::testing {
namespace {

using google::protobuf::Struct;
using http::testing::FakeRequest;
using http::testing::FakeResponse;

// What a reference says of requests, but for Gemini's, which nest.
struct Dialect {
  ProviderKind kind;
  const char* name;
  const char* base;
  const char* path;
  const char* key_header;
  const char* key_before;
  const char* texts_field;
  const char* task_field;
  const char* dimensions_field;
  // Other fields that it takes, beside the model.
  std::set<std::string> other_fields;
};

const std::vector<Dialect>& Dialects() {
  static const auto& dialects = *new std::vector<Dialect>{
      {ProviderKind::kOpenAi,
       "openai",
       "/v1",
       "/v1/embeddings",
       "authorization",
       "Bearer ",
       "input",
       "",
       "dimensions",
       {"model", "encoding_format", "user"}},
      {ProviderKind::kOpenRouter,
       "openrouter",
       "/api/v1",
       "/api/v1/embeddings",
       "authorization",
       "Bearer ",
       "input",
       "input_type",
       "dimensions",
       {"model", "encoding_format", "user", "provider"}},
      {ProviderKind::kVoyage,
       "voyage",
       "/v1",
       "/v1/embeddings",
       "authorization",
       "Bearer ",
       "input",
       "input_type",
       "output_dimension",
       {"model", "encoding_format", "truncation", "output_dtype"}},
      {ProviderKind::kMistral,
       "mistral",
       "/v1",
       "/v1/embeddings",
       "authorization",
       "Bearer ",
       "input",
       "",
       "output_dimension",
       {"model", "encoding_format", "output_dtype", "metadata"}},
      {ProviderKind::kCompatible,
       "compatible",
       "/v1",
       "/v1/embeddings",
       "authorization",
       "Bearer ",
       "input",
       "",
       "",
       {"model"}},
      {ProviderKind::kGemini,
       "gemini",
       "/v1beta",
       "/v1beta/models/test-model:batchEmbedContents",
       "x-goog-api-key",
       "",
       "requests",
       "taskType",
       "outputDimensionality",
       {}},
      {ProviderKind::kCohere,
       "cohere",
       "",
       "/v2/embed",
       "authorization",
       "Bearer ",
       "texts",
       "input_type",
       "output_dimension",
       {"model", "embedding_types", "truncate"}},
      {ProviderKind::kOllama,
       "ollama",
       "",
       "/api/embed",
       "",
       "",
       "input",
       "",
       "dimensions",
       {"model", "truncate", "keep_alive", "options"}},
      {ProviderKind::kTei,
       "tei",
       "",
       "/embed",
       "",
       "",
       "inputs",
       "prompt_name",
       "dimensions",
       {"normalize", "truncate", "truncation_direction"}},
  };
  return dialects;
}

const Dialect& DialectOf(ProviderKind kind) {
  return Dialects()[static_cast<size_t>(kind)];
}

std::string Quote(absl::string_view text) {
  std::string json;
  json::AppendQuoted(text, &json);
  return json;
}

std::string WriteVector(const std::vector<float>& vector, bool base64) {
  if (base64) {
    return absl::StrCat(
        "\"",
        absl::Base64Escape({reinterpret_cast<const char*>(vector.data()),
                            vector.size() * sizeof(float)}),
        "\"");
  }
  std::string json = "[";
  for (size_t i = 0; i < vector.size(); ++i) {
    absl::StrAppendFormat(&json, "%s%.9g", i > 0 ? ", " : "", vector[i]);
  }
  return json + "]";
}

std::string Join(const std::vector<std::vector<float>>& vectors,
                 absl::string_view before, absl::string_view after) {
  std::string json;
  for (size_t i = 0; i < vectors.size(); ++i) {
    absl::StrAppend(&json, i > 0 ? "," : "", before,
                    WriteVector(vectors[i], false), after);
  }
  return json;
}

std::string RerankPath(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kCohere:
      return "/v2/rerank";
    case ProviderKind::kVoyage:
      return "/v1/rerank";
    case ProviderKind::kTei:
      return "/rerank";
    default:
      return "none";
  }
}

}  // namespace

float RankScore(absl::string_view query, absl::string_view text) {
  // TextVector's lies on the unit sphere.
  return (TextVector(absl::StrCat(query, "|", text), 2)[0] + 1) / 2;
}

std::string NameOf(ProviderKind kind) { return DialectOf(kind).name; }

ProviderServer::ProviderServer(ProviderKind kind,
                               const http::testing::TlsIdentity* identity)
    : kind_(kind),
      server_([this](const FakeRequest& request) { return Answer(request); },
              identity) {}

std::string ProviderServer::base_url() const {
  return server_.url() + DialectOf(kind_).base;
}

void ProviderServer::Behave(Behaviour behaviour) {
  absl::MutexLock lock(&mutex_);
  behaviour_ = std::move(behaviour);
}

std::vector<AskedFor> ProviderServer::requests() const {
  absl::MutexLock lock(&mutex_);
  return requests_;
}

FakeResponse ProviderServer::Answer(const FakeRequest& request) {
  if (absl::EndsWith(request.path, "/rerank")) return AnswerRerank(request);
  AskedFor asked;
  const std::string mistake = Understand(request, asked);
  if (!mistake.empty()) {
    return {.status = 400, .body = WriteError(400, mistake)};
  }
  const Behaviour behaviour = Count(asked);
  FakeResponse response{.status = behaviour.status,
                        .headers = behaviour.headers,
                        .fate = behaviour.fate};
  response.headers.push_back({"Content-Type", "application/json"});
  if (behaviour.status != 200) {
    response.body = WriteError(behaviour.status, behaviour.words);
  } else {
    std::vector<std::vector<float>> vectors;
    for (const std::string& text : asked.texts) {
      // Twice as long, which normalisation takes back.
      vectors.push_back(TextVector(
          text, asked.dimensions > 0 ? asked.dimensions : kDimensions));
      for (float& value : vectors.back()) value *= 2;
    }
    if (behaviour.change_vectors) behaviour.change_vectors(vectors);
    response.body = WriteVectors(asked, vectors, behaviour.indexes);
    response.headers.push_back({"x-compute-tokens", "1000"});
  }
  if (behaviour.change_body) {
    response.body = behaviour.change_body(response.body);
  }
  return response;
}

ProviderServer::Behaviour ProviderServer::Count(AskedFor asked) {
  Behaviour behaviour;
  {
    absl::MutexLock lock(&mutex_);
    behaviour = behaviour_;
  }
  if (behaviour.applies_to && !behaviour.applies_to(asked)) behaviour = {};
  asked.is_paid =
      behaviour.status == 200 && behaviour.fate == FakeResponse::Fate::kSent;
  absl::MutexLock lock(&mutex_);
  requests_.push_back(std::move(asked));
  return behaviour;
}

std::string ProviderServer::Understand(const FakeRequest& request,
                                       AskedFor& asked) const {
  const Dialect& dialect = DialectOf(kind_);
  if (request.method != "POST") return "method";
  if (request.path != dialect.path) return "path " + request.path;
  if (request.Find("content-type") != "application/json") return "content type";
  if (*dialect.key_header != '\0' &&
      request.Find(dialect.key_header) !=
          absl::StrCat(dialect.key_before, kKey)) {
    return "no authentication";
  }
  Struct body;
  if (!json::Parser().ParseObject(request.body, &body).ok()) return "no JSON";
  return kind_ == ProviderKind::kGemini ? ReadGemini(body, asked)
                                        : ReadBody(body, asked);
}

FakeResponse ProviderServer::AnswerRerank(const FakeRequest& request) {
  const Dialect& dialect = DialectOf(kind_);
  AskedFor asked;
  Struct body;
  std::string mistake;
  if (request.path != RerankPath(kind_)) {
    mistake = "path " + request.path;
  } else if (*dialect.key_header != '\0' &&
             request.Find(dialect.key_header) !=
                 absl::StrCat(dialect.key_before, kKey)) {
    mistake = "no authentication";
  } else if (!json::Parser().ParseObject(request.body, &body).ok()) {
    mistake = "no JSON";
  } else {
    mistake = ReadRerank(body, asked);
  }
  if (!mistake.empty()) {
    return {.status = 400, .body = WriteError(400, mistake)};
  }
  const Behaviour behaviour = Count(asked);
  if (behaviour.status != 200) {
    return {.status = behaviour.status,
            .headers = behaviour.headers,
            .body = WriteError(behaviour.status, behaviour.words)};
  }
  std::vector<float> scores;
  for (const std::string& text : asked.texts) {
    scores.push_back(RankScore(asked.query, text));
  }
  if (behaviour.change_scores) behaviour.change_scores(scores);
  FakeResponse response{.headers = {{"Content-Type", "application/json"}},
                        .body = WriteScores(scores)};
  if (kind_ == ProviderKind::kTei) {
    response.headers.push_back({"x-compute-tokens", "1000"});
  }
  if (behaviour.change_body) {
    response.body = behaviour.change_body(response.body);
  }
  return response;
}

std::string ProviderServer::ReadRerank(const Struct& body,
                                       AskedFor& asked) const {
  const bool is_tei = kind_ == ProviderKind::kTei;
  for (const auto& [name, value] : body.fields()) {
    if (name == "query") {
      asked.query = value.string_value();
    } else if (name == (is_tei ? "texts" : "documents")) {
      for (const auto& text : value.list_value().values()) {
        asked.texts.push_back(text.string_value());
      }
    } else if (name == "model" && !is_tei) {
      asked.model = value.string_value();
    } else if (name == (is_tei ? "truncate" : "truncation") &&
               kind_ != ProviderKind::kCohere) {
      if (value.bool_value()) return "a text would be cut";
    } else if (name == "raw_scores" && is_tei) {
      if (value.bool_value()) return "raw scores";
    } else {
      return "Extra inputs are not permitted: " + name;
    }
  }
  return asked.query.empty() || asked.texts.empty() ? "no query or texts" : "";
}

std::string ProviderServer::WriteScores(
    const std::vector<float>& scores) const {
  // The best first, as all of them do.
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  const char* const name =
      kind_ == ProviderKind::kTei ? "score" : "relevance_score";
  std::string list;
  for (const size_t index : order) {
    absl::StrAppendFormat(&list, "%s{\"%s\": %.9g, \"index\": %d}",
                          list.empty() ? "" : ", ", name, scores[index], index);
  }
  if (kind_ == ProviderKind::kTei) return absl::StrCat("[", list, "]");
  if (kind_ == ProviderKind::kCohere) {
    return absl::StrCat(R"({"id": "07734bd2", "results": [)", list,
                        R"(], "meta": {"api_version": {"version": "2"}, )",
                        R"("billed_units": {"search_units": 1}}})");
  }
  return absl::StrCat(R"({"object": "list", "data": [)", list,
                      R"(], "model": "rerank", "usage": )",
                      R"({"total_tokens": 1000}})");
}

std::string ProviderServer::ReadBody(const Struct& body,
                                     AskedFor& asked) const {
  const Dialect& dialect = DialectOf(kind_);
  for (const auto& [name, value] : body.fields()) {
    if (name == dialect.texts_field) {
      for (const auto& text : value.list_value().values()) {
        asked.texts.push_back(text.string_value());
      }
    } else if (name == dialect.task_field) {
      asked.task = value.string_value();
    } else if (name == dialect.dimensions_field) {
      asked.dimensions = static_cast<int>(value.number_value());
    } else if (dialect.other_fields.count(name) == 0) {
      return "Extra inputs are not permitted: " + name;
    }
    if (name == "model") asked.model = value.string_value();
    if (name == "encoding_format") {
      asked.base64 = value.string_value() == "base64";
    }
    // Only on demand is a text cut.
    if ((name == "truncate" || name == "truncation") &&
        value.bool_value() != false) {
      return "a text would be cut";
    }
  }
  if (kind_ == ProviderKind::kCohere &&
      (body.fields().at("truncate").string_value() != "NONE" ||
       body.fields().at("embedding_types").list_value().values_size() != 1)) {
    return "truncate or embedding_types";
  }
  return asked.texts.empty() ? "no texts" : "";
}

std::string ProviderServer::ReadGemini(const Struct& body,
                                       AskedFor& asked) const {
  for (const auto& request :
       body.fields().at("requests").list_value().values()) {
    for (const auto& [name, value] : request.struct_value().fields()) {
      if (name == "model") {
        asked.model = value.string_value();
        if (!absl::StartsWith(asked.model, "models/")) return "model";
        asked.model = asked.model.substr(sizeof("models/") - 1);
      } else if (name == "taskType") {
        asked.task = value.string_value();
      } else if (name == "outputDimensionality") {
        asked.dimensions = static_cast<int>(value.number_value());
      } else if (name == "content") {
        const auto& parts =
            value.struct_value().fields().at("parts").list_value();
        asked.texts.push_back(
            parts.values(0).struct_value().fields().at("text").string_value());
      } else {
        return "unknown name " + name;
      }
    }
  }
  return asked.texts.empty() ? "no texts" : "";
}

std::string ProviderServer::WriteVectors(
    const AskedFor& asked, const std::vector<std::vector<float>>& vectors,
    const std::vector<int>& indexes) const {
  switch (kind_) {
    case ProviderKind::kGemini:
      return absl::StrCat("{\"embeddings\": [",
                          Join(vectors, "{\"values\": ", "}"), "]}");
    case ProviderKind::kCohere:
      return absl::StrCat(
          "{\"id\": \"5807ee2e\", \"embeddings\": {\"float\": [",
          Join(vectors, "", ""), "]}, \"texts\": [\"a\"], \"meta\": {",
          R"("api_version": {"version": "2"}, "billed_units": )",
          R"({"input_tokens": 1000}}, "response_type": "embeddings_by_type"})");
    case ProviderKind::kOllama:
      return absl::StrCat("{\"model\": ", Quote(asked.model),
                          ", \"embeddings\": [", Join(vectors, "", ""),
                          "], \"total_duration\": 14143917, "
                          "\"prompt_eval_count\": 1000}");
    case ProviderKind::kTei:
      return absl::StrCat("[", Join(vectors, "", ""), "]");
    default:
      break;
  }
  std::string data;
  for (size_t i = 0; i < vectors.size(); ++i) {
    absl::StrAppend(
        &data, i > 0 ? ", " : "", "{\"object\": \"embedding\", \"index\": ",
        i < indexes.size() ? indexes[i] : static_cast<int>(i),
        ", \"embedding\": ", WriteVector(vectors[i], asked.base64), "}");
  }
  const bool is_voyage = kind_ == ProviderKind::kVoyage;
  return absl::StrCat("{\"object\": \"list\", \"data\": [", data,
                      "], \"model\": ", Quote(asked.model), ", \"usage\": {",
                      is_voyage ? "" : "\"prompt_tokens\": 1000, ",
                      "\"total_tokens\": 1000}}");
}

std::string ProviderServer::WriteError(int status,
                                       absl::string_view words) const {
  const std::string quoted = Quote(words);
  switch (kind_) {
    case ProviderKind::kOpenRouter:
      return absl::StrCat(R"({"error": {"code": )", status, R"(, "message": )",
                          quoted, R"(}, "user_id": "u"})");
    case ProviderKind::kVoyage:
      return absl::StrCat(R"({"detail": )", quoted, "}");
    case ProviderKind::kMistral:
      return absl::StrCat(R"({"object": "error", "message": )", quoted,
                          R"(, "type": "invalid_request_error", )",
                          R"("param": null, "code": "3051"})");
    case ProviderKind::kGemini:
      return absl::StrCat(R"({"error": {"code": )", status, R"(, "message": )",
                          quoted, R"(, "status": "INVALID_ARGUMENT"}})");
    case ProviderKind::kCohere:
      return absl::StrCat(R"({"id": "1a2b", "message": )", quoted, "}");
    case ProviderKind::kOllama:
      return absl::StrCat(R"({"error": )", quoted, "}");
    case ProviderKind::kTei:
      return absl::StrCat(R"({"error": )", quoted,
                          R"(, "error_type": "validation"})");
    default:
      return absl::StrCat(R"({"error": {"message": )", quoted,
                          R"(, "type": "invalid_request_error", )",
                          R"("param": null, "code": null}})");
  }
}

}  // namespace engram::embedding::testing
