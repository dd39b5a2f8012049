#include "services/embedding/providers/provider_config.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/schema/document_reader.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/yaml_tree.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"
#include "services/embedding/providers/api_key.h"
#include "services/embedding/providers/spec_reader.h"

namespace engram::embedding {
namespace {

using schema::DocumentReader;
using schema::JoinPath;
using schema::PathAt;
using schema::YamlNode;
using Kind = YamlNode::Kind;

constexpr absl::string_view kRootAttributes[] = {"default", "providers", "use"};
constexpr absl::string_view kUseAttributes[] = {"dimensions", "model", "name"};
constexpr absl::string_view kBuiltin = "builtin";
constexpr size_t kMaxModels = 64;

// Reads one document into a config.
class ConfigReader {
 public:
  ConfigReader(DocumentReader& document, ProviderConfig& config)
      : document_(document), config_(config) {}

  void Read(const YamlNode& root) {
    if (!document_.CheckAttributes(root, "", kRootAttributes)) return;
    if (const YamlNode* const providers = root.Find("providers")) {
      ReadProviders(*providers);
    }
    // What is used is looked up in what is known, so a mistake there comes
    // first.
    if (document_.mistakes() > 0) return;
    if (const YamlNode* const use = root.Find("use")) ReadUse(*use);
    if (document_.mistakes() > 0) return;
    if (const YamlNode* const model = root.Find("default")) {
      ReadDefault(*model);
    }
  }

 private:
  void ReadProviders(const YamlNode& node) {
    if (node.kind != Kind::kMap) {
      document_.Report(node, "providers",
                       "wants a map such as {openai: {key_file: /run/key}}");
      return;
    }
    SpecReader reader(document_);
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const std::string& name = node.keys[i].text;
      const std::string path = JoinPath("providers", name);
      if (!SpecReader::IsProviderName(name) || name == kBuiltin) {
        document_.Report(node.keys[i], path,
                         "is no name for a provider; use lower-case letters, "
                         "digits and dashes, and not builtin");
        continue;
      }
      if (node.Find(name) != &node.children[i]) {
        document_.Report(node.keys[i], path, "is given twice; keep one");
        continue;
      }
      ProviderSpec& spec = config_.providers[name];
      const bool is_new = spec.name.empty();
      spec.name = name;
      reader.ReadProvider(node.children[i], path, spec);
      if (is_new) RequireBasics(node.children[i], path);
      // One that is wrong was reported.
      if (document_.mistakes() == 0) {
        RequireDimensions(node.children[i], path, spec);
      }
    }
  }

  void RequireBasics(const YamlNode& node, const std::string& path) {
    for (const absl::string_view name : {"format", "base_url"}) {
      if (node.Find(name) != nullptr) continue;
      std::vector<absl::string_view> known;
      for (const auto& entry : config_.providers) {
        if (JoinPath("providers", entry.first) != path) {
          known.push_back(entry.first);
        }
      }
      const absl::string_view given = absl::StripPrefix(path, "providers.");
      document_.Report(
          node, JoinPath(path, name),
          absl::StrCat("is missing, and Engram knows no provider of this name",
                       schema::DidYouMean(given, known)));
    }
  }

  void RequireDimensions(const YamlNode& node, const std::string& path,
                         const ProviderSpec& spec) {
    for (const auto& [name, model] : spec.models) {
      if (model.dimensions > 0) continue;
      document_.Report(node,
                       absl::StrCat(path, ".models.", name, ".dimensions"),
                       "is missing; give the number of values of a vector");
    }
  }

  void ReadUse(const YamlNode& node) {
    if (!document_.CheckList(node, "use",
                             "a list such as [openai/text-embedding-3-small]",
                             kMaxModels)) {
      return;
    }
    std::set<std::string> names;
    for (size_t i = 0; i < node.children.size(); ++i) {
      const YamlNode& element = node.children[i];
      const std::string path = PathAt("use", i);
      const int mistakes = document_.mistakes();
      RemoteModel model = ReadUsed(element, path);
      if (document_.mistakes() > mistakes) continue;
      if (!names.insert(model.model.name).second) {
        document_.Report(
            element, path,
            absl::StrCat("is a second model of the name ", model.model.name,
                         "; give one of them another name"));
        continue;
      }
      auto& models = model.spec.reranks ? config_.rerankers : config_.models;
      models.push_back(std::move(model));
    }
  }

  RemoteModel ReadUsed(const YamlNode& node, const std::string& path) {
    RemoteModel used;
    const YamlNode* name = &node;
    if (node.kind == Kind::kMap) {
      document_.CheckAttributes(node, path, kUseAttributes);
      name = node.Find("model");
    }
    if (name == nullptr || name->kind != Kind::kScalar) {
      document_.Report(node, path,
                       "wants a model such as openai/text-embedding-3-small");
      return used;
    }
    if (!Find(*name, path, used)) return used;
    used.model.dimensions = used.spec.dimensions;
    used.model.name = absl::StrCat(used.provider.name, "/", used.spec.name);
    if (node.kind == Kind::kMap) ReadChoices(node, path, used);
    Complete(node, path, used);
    return used;
  }

  // Sets provider and spec of `used` to the model that `node` names.
  bool Find(const YamlNode& node, const std::string& path, RemoteModel& used) {
    std::vector<std::string> names;
    for (const auto& [provider_name, provider] : config_.providers) {
      for (const auto& [name, model] : provider.models) {
        names.push_back(absl::StrCat(provider_name, "/", name));
        if (names.back() != node.text) continue;
        used.provider = provider;
        used.provider.models.clear();
        used.spec = model;
        return true;
      }
    }
    document_.Report(
        node, path,
        absl::StrCat(
            "no provider has the model ", schema::QuoteName(node.text),
            "; declare it with its dimensions under providers",
            schema::DidYouMean(node.text, {names.begin(), names.end()})));
    return false;
  }

  void ReadChoices(const YamlNode& node, const std::string& path,
                   RemoteModel& used) {
    if (const YamlNode* const given = node.Find("dimensions")) {
      const std::string dimensions_path = JoinPath(path, "dimensions");
      const auto value =
          document_.ReadInt(*given, dimensions_path, 1, vector::kMaxDimensions);
      if (value.has_value()) {
        CheckDimensions(*given, dimensions_path, used.spec,
                        static_cast<int>(*value));
        used.model.dimensions = static_cast<int>(*value);
      }
    }
    // So that a model can be used with several dimensions.
    if (used.asked_dimensions() != 0) {
      absl::StrAppend(&used.model.name, "-", used.model.dimensions);
    }
    if (const YamlNode* const given = node.Find("name")) {
      const std::vector<std::string> parts = {
          given->text.substr(0, given->text.find('/')),
          given->text.substr(
              std::min(given->text.find('/') + 1, given->text.size()))};
      if (!SpecReader::IsProviderName(parts[0]) || parts[0] == kBuiltin ||
          !SpecReader::IsModelName(parts[1])) {
        document_.Report(*given, JoinPath(path, "name"),
                         "wants a name such as team/search-1");
      }
      used.model.name = given->text;
    }
  }

  void CheckDimensions(const YamlNode& node, const std::string& path,
                       const ModelSpec& spec, int dimensions) {
    const auto holds = [&](const std::pair<int, int>& range) {
      return range.first <= dimensions && dimensions <= range.second;
    };
    if (dimensions == spec.dimensions ||
        std::any_of(spec.other_dimensions.begin(), spec.other_dimensions.end(),
                    holds)) {
      return;
    }
    std::string offered = absl::StrCat(spec.dimensions);
    for (const auto& [least, most] : spec.other_dimensions) {
      absl::StrAppend(&offered, ", ", least);
      if (most > least) absl::StrAppend(&offered, " to ", most);
    }
    document_.Report(node, path,
                     absl::StrCat("the model makes no vectors of ", dimensions,
                                  " values; it makes ", offered));
  }

  // Fills in what the provider says for its models, and the description.
  void Complete(const YamlNode& node, const std::string& path,
                RemoteModel& used) {
    ModelSpec& spec = used.spec;
    const ProviderSpec& provider = used.provider;
    if (!spec.reranks && spec.document.task.empty()) {
      spec.document.task = provider.document_task;
    }
    if (!spec.reranks && spec.query.task.empty()) {
      spec.query.task = provider.query_task;
    }
    if (spec.limits.texts == 0) spec.limits.texts = provider.limits.texts;
    if (spec.limits.tokens == 0) spec.limits.tokens = provider.limits.tokens;
    if (spec.limits.bytes == 0) spec.limits.bytes = provider.limits.bytes;
    if (spec.limits.calls == 0) spec.limits.calls = provider.limits.calls;
    if (spec.rate.requests == 0) spec.rate.requests = provider.rate.requests;
    if (spec.rate.tokens == 0) spec.rate.tokens = provider.rate.tokens;
    RefuseWhatHasNoEffect(node, path, used);
    used.model.normalized = spec.normalize;
    used.model.provider = provider.name;
    used.model.usd_per_million_tokens = spec.usd_per_million_tokens;
    used.model.max_tokens = spec.max_tokens;
    used.model.fingerprint = MakeFingerprint(used);
  }

  // A setting that the provider's format does not know would change the
  // fingerprint and nothing else.
  void RefuseWhatHasNoEffect(const YamlNode& node, const std::string& path,
                             const RemoteModel& used) {
    const bool is_openai = used.provider.format == Format::kOpenAi;
    if (used.spec.reranks && !HasRerank(used.provider.format)) {
      document_.Report(
          node, path,
          absl::StrCat("reranks, which the format ",
                       kFormatWords[static_cast<size_t>(used.provider.format)],
                       " has no request for"));
    }
    const bool has_task =
        !used.spec.document.task.empty() || !used.spec.query.task.empty();
    if (has_task && (is_openai ? used.provider.task_field.empty()
                               : used.provider.format == Format::kOllama)) {
      document_.Report(node, path,
                       "its document_task and query_task have no effect: the "
                       "provider has no task_field; use prefixes");
    }
    if (is_openai && used.asked_dimensions() != 0 &&
        used.provider.dimensions_field.empty()) {
      document_.Report(node, path,
                       "other dimensions cannot be asked for: the provider "
                       "has no dimensions_field");
    }
    if (!is_openai && !used.provider.body.empty()) {
      document_.Report(node, path,
                       "body is for the format openai only; remove it from "
                       "the provider");
    }
  }

  void ReadDefault(const YamlNode& node) {
    const auto is_it = [&](const RemoteModel& model) {
      return model.model.name == node.text;
    };
    if (node.kind == Kind::kScalar &&
        (absl::StartsWith(node.text, "builtin/") ||
         std::any_of(config_.models.begin(), config_.models.end(), is_it))) {
      config_.default_model = node.text;
      return;
    }
    document_.Report(
        node, "default",
        absl::StrCat("is none of the models under use: ",
                     absl::StrJoin(config_.models, ", ",
                                   [](std::string* out, const auto& model) {
                                     out->append(model.model.name);
                                   })));
  }

  DocumentReader& document_;
  ProviderConfig& config_;
};

absl::Status ReadInto(absl::string_view text, absl::string_view name,
                      ProviderConfig& config) {
  const auto tree = schema::ReadYaml(text);
  if (const auto* problem = std::get_if<schema::YamlProblem>(&tree)) {
    const bool is_empty = absl::StrContains(problem->message, "is empty");
    return absl::InvalidArgumentError(absl::StrCat(
        name, ":", problem->mark.line, ":", problem->mark.column, ": ",
        is_empty ? "the file is empty; name models under use:"
                 : problem->message));
  }
  FieldViolations violations;
  DocumentReader document(name, "", violations);
  ConfigReader(document, config).Read(std::get<YamlNode>(tree));
  return violations.ToStatus();
}

}  // namespace

absl::StatusOr<ProviderConfig> ParseProviderConfig(absl::string_view text,
                                                   absl::string_view document) {
  ProviderConfig config;
  RETURN_IF_ERROR(ReadInto(ShippedProviders(), "providers.yaml", config));
  RETURN_IF_ERROR(ReadInto(text, document, config));
  return config;
}

absl::StatusOr<ProviderConfig> ReadProviderConfig(const std::string& path) {
  if (path.empty()) {
    ProviderConfig config;
    RETURN_IF_ERROR(ReadInto(ShippedProviders(), "providers.yaml", config));
    return config;
  }
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file),
                         std::istreambuf_iterator<char>()};
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat("providers: the file ", path, " cannot be read"));
  }
  return ParseProviderConfig(text, path);
}

std::vector<std::string> DescribeModels(const ProviderConfig& config) {
  std::vector<std::string> lines;
  std::vector<RemoteModel> models = config.models;
  models.insert(models.end(), config.rerankers.begin(), config.rerankers.end());
  for (const RemoteModel& model : models) {
    const ProviderSpec& provider = model.provider;
    lines.push_back(absl::StrCat(
        model.model.fingerprint, ": ",
        model.spec.reranks
            ? "reranks, "
            : absl::StrCat(model.model.dimensions, " dimensions, "),
        model.spec.id, " at ", provider.endpoint.base_url, ", ",
        ApiKey(provider.endpoint.key_env, provider.endpoint.key_file)
            .Describe(),
        model.model.name == config.default_model ? ", the default" : ""));
  }
  return lines;
}

}  // namespace engram::embedding
