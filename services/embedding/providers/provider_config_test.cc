#include "services/embedding/providers/provider_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/providers/api_key.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

ProviderConfig Parse(const std::string& text) {
  auto config = ParseProviderConfig(text, "my.yaml");
  EXPECT_OK(config);
  return config.ok() ? *std::move(config) : ProviderConfig();
}

std::string Mistakes(const std::string& text) {
  return std::string(ParseProviderConfig(text, "my.yaml").status().message());
}

std::string Fingerprint(const std::string& text) {
  const ProviderConfig config = Parse(text);
  return config.models.empty() ? "" : config.models[0].model.fingerprint;
}

TEST(ProviderConfigTest, ShippedProvidersAreKnownAndNoneIsUsed) {
  ASSERT_OK_AND_ASSIGN(const ProviderConfig config, ReadProviderConfig(""));

  EXPECT_THAT(config.models, IsEmpty());
  std::set<std::string> names;
  for (const auto& [name, provider] : config.providers) names.insert(name);
  EXPECT_THAT(names, ElementsAre("cohere", "gemini", "mistral", "ollama",
                                 "openai", "openrouter", "tei", "voyage"));
}

TEST(ProviderConfigTest, EveryShippedModelCanBeUsed) {
  const ProviderConfig known = *ReadProviderConfig("");
  std::string use = "use:\n";
  size_t count = 0;
  for (const auto& [provider_name, provider] : known.providers) {
    for (const auto& [name, model] : provider.models) {
      absl::StrAppend(&use, "  - ", provider_name, "/", name, "\n");
      ++count;
    }
  }

  const ProviderConfig config = Parse(use);

  EXPECT_THAT(config.models, SizeIs(count - config.rerankers.size()));
  EXPECT_THAT(config.rerankers, SizeIs(4));
  std::set<std::string> fingerprints;
  for (const auto* const models : {&config.models, &config.rerankers}) {
    for (const RemoteModel& model : *models) {
      fingerprints.insert(model.model.fingerprint);
    }
  }
  EXPECT_THAT(fingerprints, SizeIs(count));
}

TEST(ProviderConfigTest, AUsedModelHasWhatIsKnownOfIt) {
  const ProviderConfig config = Parse(R"(
use:
  - voyage/voyage-4
  - {model: openai/text-embedding-3-large, dimensions: 1024}
  - {model: openai/text-embedding-3-large, name: team/search}
default: team/search
)");

  ASSERT_THAT(config.models, SizeIs(3));
  const RemoteModel& voyage = config.models[0];
  EXPECT_EQ(voyage.model.name, "voyage/voyage-4");
  EXPECT_EQ(voyage.model.dimensions, 1024);
  EXPECT_EQ(voyage.model.max_tokens, 32000);
  EXPECT_TRUE(voyage.model.normalized);
  EXPECT_EQ(voyage.spec.query.task, "query");
  EXPECT_EQ(voyage.spec.limits.texts, 1000);
  EXPECT_EQ(voyage.spec.limits.tokens, 320000);
  EXPECT_EQ(voyage.asked_dimensions(), 0);
  EXPECT_THAT(voyage.provider.body, ElementsAre(Pair("truncation", "false")));
  EXPECT_EQ(config.models[1].model.name, "openai/text-embedding-3-large-1024");
  EXPECT_EQ(config.models[1].asked_dimensions(), 1024);
  EXPECT_EQ(config.models[2].model.name, "team/search");
  EXPECT_EQ(config.default_model, "team/search");
}

TEST(ProviderConfigTest, AUsersFileChangesAndExtendsWhatShips) {
  const ProviderConfig config = Parse(R"(
providers:
  openai:
    base_url: https://eu.api.openai.com/v1/
    key_file: /run/secrets/openai
    timeout: 1m 30s
    models:
      text-embedding-3-small: {max_tokens: 4000}
      text-embedding-4: {dimensions: 2048}
  azure:
    format: openai
    base_url: https://me.openai.azure.com/openai/v1
    key_env: AZURE_KEY
    key_header: api-key
    body: {user: "me", count: 3, exact: true}
    headers: {X-Team: search}
    models:
      small: {id: My_Deployment, dimensions: 1536, normalize: false}
use: [openai/text-embedding-3-small, openai/text-embedding-4, azure/small]
)");

  ASSERT_THAT(config.models, SizeIs(3));
  const RemoteModel& small = config.models[0];
  EXPECT_EQ(small.provider.endpoint.base_url, "https://eu.api.openai.com/v1");
  EXPECT_EQ(small.provider.endpoint.key_file, "/run/secrets/openai");
  EXPECT_EQ(small.provider.endpoint.key_env, "");
  EXPECT_EQ(small.provider.http.timeout, absl::Seconds(90));
  EXPECT_EQ(small.model.max_tokens, 4000);
  EXPECT_EQ(small.model.dimensions, 1536);
  EXPECT_EQ(config.models[1].spec.id, "text-embedding-4");
  const RemoteModel& azure = config.models[2];
  EXPECT_EQ(azure.spec.id, "My_Deployment");
  EXPECT_EQ(azure.provider.key_header, "api-key");
  EXPECT_FALSE(azure.model.normalized);
  EXPECT_THAT(azure.provider.body,
              ElementsAre(Pair("count", "3"), Pair("exact", "true"),
                          Pair("user", "\"me\"")));
}

TEST(ProviderConfigTest, RatesCallsAndFallbacksAreReadAndInherited) {
  const ProviderConfig config = Parse(R"(
providers:
  openai:
    requests_per_minute: 500
    tokens_per_minute: 1000000
    max_calls: 4
    fallbacks:
      - {base_url: https://gateway.example.com/v1/, key_env: GATEWAY_KEY}
      - {base_url: "http://10.0.0.1:8080"}
    models:
      text-embedding-3-large: {tokens_per_minute: 40000, max_calls: 2}
use: [openai/text-embedding-3-small, openai/text-embedding-3-large]
)");

  ASSERT_THAT(config.models, SizeIs(2));
  const RemoteModel& small = config.models[0];
  EXPECT_EQ(small.spec.rate.requests, 500);
  EXPECT_EQ(small.spec.rate.tokens, 1000000);
  EXPECT_EQ(small.spec.limits.calls, 4);
  ASSERT_THAT(small.provider.fallbacks, SizeIs(2));
  EXPECT_EQ(small.provider.fallbacks[0].base_url,
            "https://gateway.example.com/v1");
  EXPECT_EQ(small.provider.fallbacks[0].key_env, "GATEWAY_KEY");
  // The provider's key goes to no other host.
  EXPECT_EQ(small.provider.fallbacks[1].key_env, "");
  const RemoteModel& large = config.models[1];
  EXPECT_EQ(large.spec.rate.requests, 500);
  EXPECT_EQ(large.spec.rate.tokens, 40000);
  EXPECT_EQ(large.spec.limits.calls, 2);

  EXPECT_THAT(Mistakes("providers: {openai: {fallbacks: [{key_env: K}, "
                       "{base_url: ftp://a}], max_calls: 0}}"),
              AllOf(HasSubstr("openai.fallbacks[0].base_url: "),
                    HasSubstr("openai.fallbacks[1].base_url: "),
                    HasSubstr("openai.max_calls: ")));
}

TEST(ProviderConfigTest, ModelsThatRerankAreKeptApart) {
  const ProviderConfig config =
      Parse("use: [cohere/rerank-v3.5, openai/text-embedding-3-small]");

  ASSERT_THAT(config.rerankers, SizeIs(1));
  EXPECT_EQ(config.rerankers[0].model.dimensions, 1);
  EXPECT_FALSE(config.rerankers[0].model.normalized);
  EXPECT_EQ(config.rerankers[0].spec.usd_per_thousand_searches, 2);
  EXPECT_EQ(config.rerankers[0].spec.document.task, "");
  EXPECT_THAT(config.models, SizeIs(1));
  EXPECT_THAT(Mistakes("providers: {gemini: {models: {r: {kind: rerank}}}}\n"
                       "use: [gemini/r]"),
              HasSubstr("the format gemini has no request for"));
  EXPECT_THAT(Mistakes("use: [cohere/rerank-v3.5]\n"
                       "default: cohere/rerank-v3.5"),
              HasSubstr("default: "));
}

// Databases hold these: what is made of given facts must never change.
TEST(ProviderConfigTest, FingerprintsNeverChange) {
  EXPECT_EQ(Fingerprint("use: [openai/text-embedding-3-small]"),
            "openai/text-embedding-3-small@e87552bb91e2fc91");
  EXPECT_EQ(Fingerprint("use: [{model: openai/text-embedding-3-large, "
                        "dimensions: 256}]"),
            "openai/text-embedding-3-large-256@14b091f845bd2b0b");
}

TEST(ProviderConfigTest, FingerprintsChangeWithWhatChangesVectors) {
  const auto with = [](const std::string& provider, const std::string& model,
                       const std::string& use) {
    return Fingerprint(
        absl::StrCat("providers:\n  p:\n    base_url: http://a\n", provider,
                     "    models:\n      m: {", model, "}\nuse: [", use, "]"));
  };
  const std::string openai =
      "    format: openai\n    dimensions_field: d\n    task_field: t\n";
  const std::string model = "dimensions: 8, other_dimensions: [4, 9]";
  const std::string used = "{model: p/m, name: p/m}";
  const std::string first = with(openai, model, used);

  std::set<std::string> all = {
      first,
      with("    format: tei\n", model, used),
      with(openai, model, "{model: p/m, name: p/m, dimensions: 4}"),
      with(openai, model + ", id: other", used),
      with(openai, model + ", normalize: false", used),
      with(openai, model + ", revision: '2'", used),
      with(openai, model + ", query_prefix: q", used),
      with(openai, model + ", document_prefix: q", used),
      with(openai, model + ", query_task: q", used),
      with(openai, model + ", document_task: q", used),
      with(openai + "    body: {q: 1}\n", model, used),
  };
  EXPECT_THAT(all, SizeIs(11));

  // And not with how they are come by.
  EXPECT_EQ(with(openai + "    key_env: K\n    key_header: k\n", model, used),
            first);
  EXPECT_EQ(
      with(openai + "    encoding: base64\n    timeout: 5s\n", model, used),
      first);
  EXPECT_EQ(with(openai + "    headers: {X-A: b}\n    max_texts: 7\n",
                 model + ", max_tokens: 9, usd_per_million_tokens: 3", used),
            first);
  EXPECT_EQ(with(openai + "    proxy: http://p:3128\n    ca_file: /ca.pem\n",
                 model, used),
            first);
}

TEST(ProviderConfigTest, MistakesAreNamedWithTheirPlaceAllAtOnce) {
  EXPECT_THAT(Mistakes("providers:\n  openai: {max_text: 3, models: "
                       "{a: {dimensions: 0}}}\nues: []"),
              AllOf(HasSubstr("providers.openai.max_text: my.yaml:2:12: "
                              "unknown attribute"),
                    HasSubstr("did you mean \"max_texts\"?"),
                    HasSubstr("providers.openai.models.a.dimensions: my.yaml:"
                              "2:50: wants a whole number from 1 to 4096"),
                    HasSubstr("did you mean \"use\"?")));
  EXPECT_THAT(Mistakes("use: [openai/text-embedding-3-smal]"),
              HasSubstr("use[0]: my.yaml:1:7: no provider has the model "
                        "\"openai/text-embedding-3-smal\"; declare it with its "
                        "dimensions under providers; did you mean "
                        "\"openai/text-embedding-3-small\"?"));
  EXPECT_THAT(Mistakes("providers: {opnai: {key_env: K}}"),
              HasSubstr("did you mean \"openai\"?"));
  EXPECT_THAT(Mistakes("use: [{model: voyage/voyage-4, dimensions: 300}]"),
              HasSubstr("makes no vectors of 300 values; it makes 1024, 256, "
                        "512, 2048"));
  EXPECT_THAT(Mistakes("use: [openai/text-embedding-3-small]\ndefault: a/b"),
              HasSubstr("default: my.yaml:2:10: is none of the models under "
                        "use: openai/text-embedding-3-small"));
  EXPECT_THAT(Mistakes("use: [tei/bge-m3, tei/bge-m3]"),
              HasSubstr("use[1]: my.yaml:1:19: is a second model"));
  EXPECT_THAT(Mistakes(""), HasSubstr("my.yaml:1:1: the file is empty"));
  EXPECT_THAT(Mistakes("use: ["), HasSubstr("malformed YAML"));
  EXPECT_THAT(ReadProviderConfig("/no/file"),
              StatusIs(absl::StatusCode::kInvalidArgument, "/no/file"));
}

TEST(ProviderConfigTest, SettingsWithoutEffectAreMistakes) {
  EXPECT_THAT(
      Mistakes("providers: {ollama: {models: {a: {dimensions: 8, query_task: "
               "q}}}}\nuse: [ollama/a]"),
      HasSubstr("have no effect"));
  EXPECT_THAT(Mistakes("providers: {p: {format: openai, base_url: http://a, "
                       "models: {a: {dimensions: 8, other_dimensions: [4]}}}}\n"
                       "use: [{model: p/a, dimensions: 4}]"),
              HasSubstr("no dimensions_field"));
  EXPECT_THAT(Mistakes("providers: {cohere: {body: {a: 1}}}\n"
                       "use: [cohere/embed-v4.0]"),
              HasSubstr("format openai only"));
}

TEST(ProviderConfigTest, KeysCannotStandInTheFile) {
  EXPECT_THAT(Mistakes("providers: {openai: {api_key: sk-123}}"),
              AllOf(HasSubstr("unknown attribute"), Not(HasSubstr("sk-123"))));
  EXPECT_THAT(Mistakes("providers: {openai: {key_env: 'sk 123'}}"),
              AllOf(HasSubstr("not a key"), Not(HasSubstr("sk 123"))));
  EXPECT_THAT(
      Mistakes("providers: {openai: {headers: {Authorization: Bearer x}}}"),
      HasSubstr("use key_env or key_file"));
  EXPECT_THAT(Mistakes("providers: {openai: {base_url: 'https://a:b@c'}}"),
              HasSubstr("without a password"));
  EXPECT_THAT(Mistakes("providers: {openai: {proxy: 'http://a:b@c'}}"),
              HasSubstr("without a password"));
  EXPECT_THAT(Mistakes("providers: {openai: {key_env: A, key_file: b}}"),
              HasSubstr("keep one"));
}

TEST(ProviderConfigTest, ModelsAreDescribedWithoutTheirKeys) {
  setenv("ENGRAM_TEST_KEY", "sk-123", 1);
  const auto lines = DescribeModels(
      Parse("providers: {openai: {key_env: ENGRAM_TEST_KEY}}\n"
            "use: [openai/text-embedding-3-small, cohere/embed-v4.0, "
            "tei/bge-m3]\ndefault: tei/bge-m3"));
  unsetenv("ENGRAM_TEST_KEY");

  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_EQ(lines[0],
            "openai/text-embedding-3-small@e87552bb91e2fc91: 1536 dimensions, "
            "text-embedding-3-small at https://api.openai.com/v1, key from the "
            "environment variable ENGRAM_TEST_KEY (there)");
  EXPECT_THAT(lines[1], HasSubstr("COHERE_API_KEY (missing)"));
  EXPECT_THAT(lines[2], HasSubstr("no key, the default"));
}

// Each example of the documentation works as it stands.
TEST(ProviderConfigTest, TheDocumentedExamplesAreValid) {
  std::ifstream file(EMBEDDING_DOCS);
  std::set<std::string> used;
  std::string example;
  bool is_inside = false;
  int line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    if (line == "```yaml") {
      is_inside = true;
      example.clear();
    } else if (line == "```" && is_inside) {
      is_inside = false;
      const auto config = ParseProviderConfig(example, "example");
      EXPECT_OK(config) << "ends at line " << line_number;
      if (!config.ok()) continue;
      for (const RemoteModel& model : config->models) {
        used.insert(model.provider.name);
      }
    } else if (is_inside) {
      absl::StrAppend(&example, line, "\n");
    }
  }
  EXPECT_THAT(
      used, ::testing::IsSupersetOf({"openai", "gemini", "openrouter", "voyage",
                                     "cohere", "mistral", "ollama", "tei"}));
}

TEST(ApiKeyTest, IsReadFromAFileEachTime) {
  const std::string path = ::testing::TempDir() + "engram-api-key";
  const ApiKey key("", path);
  std::ofstream(path) << " sk-1\n";
  EXPECT_EQ(*key.Read(), "sk-1");
  std::ofstream(path) << "sk-2";
  EXPECT_EQ(*key.Read(), "sk-2");

  std::ofstream(path) << "two words";
  EXPECT_THAT(key.Read(),
              StatusIs(absl::StatusCode::kFailedPrecondition, path));
  std::ofstream(path) << "\n";
  EXPECT_THAT(key.Read(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "empty"));
  unlink(path.c_str());
  EXPECT_THAT(key.Read(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no key"));
  EXPECT_EQ(*ApiKey("", "").Read(), "");
}

}  // namespace
}  // namespace engram::embedding
