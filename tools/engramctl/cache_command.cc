#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engram/storage/v1/cache.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/cache_view.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/field_text.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::CacheEntry;
using storage::v1::CacheService;
using storage::v1::CacheServiceDeleteRequest;
using storage::v1::CacheServiceDeleteResponse;
using storage::v1::CacheServiceGetRequest;
using storage::v1::CacheServiceGetResponse;
using storage::v1::CacheServiceStatsRequest;
using storage::v1::CacheServiceStatsResponse;
using storage::v1::ClearRequest;
using storage::v1::ClearResponse;
using storage::v1::DeleteMatchingRequest;
using storage::v1::DeleteMatchingResponse;
using storage::v1::HasRequest;
using storage::v1::HasResponse;
using storage::v1::KeyPattern;
using storage::v1::KeysRequest;
using storage::v1::KeysResponse;
using storage::v1::SetRequest;
using storage::v1::SetResponse;

constexpr int64_t kMaxValueBytes = 64 << 20;
constexpr int kPageSize = 1000;

struct CacheOptions {
  std::string collection = "cache";
  std::string key;
  std::string category;
  // get.
  bool only_value = false;
  // set.
  std::string value;
  bool is_text = false;
  absl::Duration ttl = absl::ZeroDuration();
  // keys, delete.
  std::vector<std::string> keys;
  std::string glob;
  std::string regex;
  bool include_expired = false;
  int64_t limit = 100;
};

using Options = std::shared_ptr<CacheOptions>;

// "1 entry" or "12 entries".
std::string Entries(int64_t count) {
  return absl::StrCat(WithCommas(count), count == 1 ? " entry" : " entries");
}

// A request with database and collection.
template <typename Request>
Request NewRequest(const Context& context, const CacheOptions& options) {
  Request request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  return request;
}

// Says that there is no such entry.
absl::Status ReportMiss(Context& context, const std::string& key) {
  context.exit_code = kExitFindings;
  if (context.console.json) {
    context.console.out
        << JsonObject().Text("key", key).Bool("found", false).ToString()
        << "\n";
  } else {
    context.console.err << "no entry \"" << key << "\"\n";
  }
  return absl::OkStatus();
}

absl::Status GetEntry(Context& context, const CacheOptions& options) {
  auto request = NewRequest<CacheServiceGetRequest>(context, options);
  request.set_key(options.key);
  ASSIGN_OR_RETURN(const CacheServiceGetResponse response,
                   context.connection().Call(
                       Role::kStorage, &CacheService::Stub::Get, request));
  if (!response.has_entry()) return ReportMiss(context, request.key());
  if (context.console.json) {
    context.console.out << CacheEntryAsJson(response.entry()).ToString()
                        << "\n";
  } else if (options.only_value) {
    context.console.out << CacheValueText(response.entry().value()) << "\n";
  } else {
    PrintCacheEntry(context.console, response.entry());
  }
  return absl::OkStatus();
}

absl::Status SetEntry(Context& context, const CacheOptions& options) {
  auto request = NewRequest<SetRequest>(context, options);
  CacheEntry& entry = *request.mutable_entry();
  entry.set_key(options.key);
  entry.set_category(options.category);
  std::string text = options.value;
  if (text == "-") {
    ASSIGN_OR_RETURN(text, ReadInput("-", context.console.in, kMaxValueBytes));
  }
  if (options.is_text) {
    entry.mutable_value()->set_string_value(text);
  } else {
    *entry.mutable_value() = ParseAnyText(text);
  }
  if (options.ttl > absl::ZeroDuration()) {
    const int64_t nanos = absl::ToInt64Nanoseconds(options.ttl);
    request.mutable_ttl()->set_seconds(nanos / 1'000'000'000);
    request.mutable_ttl()->set_nanos(static_cast<int>(nanos % 1'000'000'000));
  }
  ASSIGN_OR_RETURN(const SetResponse response,
                   context.connection().Call(
                       Role::kStorage, &CacheService::Stub::Set, request));
  const std::string expires =
      response.has_expire_time() ? TimestampText(response.expire_time()) : "";
  if (context.console.json) {
    JsonObject object;
    object.Text("key", entry.key());
    if (!expires.empty()) object.Text("expire_time", expires);
    context.console.out
        << object.Text("position", response.position()).ToString() << "\n";
    return absl::OkStatus();
  }
  context.console.out << "set        " << entry.key() << "\n";
  if (!expires.empty()) context.console.out << "expires    " << expires << "\n";
  context.console.out << "position   " << response.position() << "\n";
  return absl::OkStatus();
}

absl::Status HasEntry(Context& context, const CacheOptions& options) {
  auto request = NewRequest<HasRequest>(context, options);
  request.set_key(options.key);
  ASSIGN_OR_RETURN(const HasResponse response,
                   context.connection().Call(
                       Role::kStorage, &CacheService::Stub::Has, request));
  if (!response.found()) return ReportMiss(context, request.key());
  if (context.console.json) {
    context.console.out << JsonObject()
                               .Text("key", request.key())
                               .Bool("found", true)
                               .ToString()
                        << "\n";
  } else {
    context.console.out << "found      " << request.key() << "\n";
  }
  return absl::OkStatus();
}

absl::Status ReportDeleted(Context& context, int64_t deleted) {
  if (context.console.json) {
    context.console.out << JsonObject().Int("deleted", deleted).ToString()
                        << "\n";
  } else {
    context.console.out << "deleted    " << Entries(deleted) << "\n";
  }
  return absl::OkStatus();
}

void FillPattern(const CacheOptions& options, KeyPattern* pattern) {
  if (options.regex.empty()) {
    pattern->set_glob(options.glob);
  } else {
    pattern->set_regex(options.regex);
  }
}

absl::Status DeleteEntries(Context& context, const CacheOptions& options) {
  if (options.keys.empty()) {
    auto request = NewRequest<DeleteMatchingRequest>(context, options);
    FillPattern(options, request.mutable_pattern());
    ASSIGN_OR_RETURN(
        const DeleteMatchingResponse response,
        context.connection().Call(
            Role::kStorage, &CacheService::Stub::DeleteMatching, request));
    return ReportDeleted(context, response.deleted());
  }
  int64_t deleted = 0;
  for (const std::string& key : options.keys) {
    auto request = NewRequest<CacheServiceDeleteRequest>(context, options);
    request.set_key(key);
    ASSIGN_OR_RETURN(const CacheServiceDeleteResponse response,
                     context.connection().Call(
                         Role::kStorage, &CacheService::Stub::Delete, request));
    deleted += response.deleted() ? 1 : 0;
  }
  return ReportDeleted(context, deleted);
}

absl::Status ListKeys(Context& context, const CacheOptions& options) {
  auto request = NewRequest<KeysRequest>(context, options);
  if (!options.glob.empty() || !options.regex.empty()) {
    FillPattern(options, request.mutable_pattern());
  }
  request.set_category(options.category);
  request.set_include_expired(options.include_expired);
  int64_t left = options.limit;
  do {
    request.set_page_size(
        options.limit == 0
            ? kPageSize
            : static_cast<int>(std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(const KeysResponse response,
                     context.connection().Call(
                         Role::kStorage, &CacheService::Stub::Keys, request));
    for (const std::string& key : response.keys()) {
      context.console.out << (context.console.json
                                  ? JsonObject().Text("key", key).ToString()
                                  : key)
                          << "\n";
    }
    left -= response.keys_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  if (!request.page_token().empty() && !context.console.json) {
    context.console.err << "there may be more (--limit 0 shows all)\n";
  }
  return absl::OkStatus();
}

absl::Status Clear(Context& context, const CacheOptions& options) {
  auto request = NewRequest<ClearRequest>(context, options);
  request.set_category(options.category);
  ASSIGN_OR_RETURN(const ClearResponse response,
                   context.connection().Call(
                       Role::kStorage, &CacheService::Stub::Clear, request));
  return ReportDeleted(context, response.deleted());
}

absl::Status ShowStats(Context& context, const CacheOptions& options) {
  const auto request = NewRequest<CacheServiceStatsRequest>(context, options);
  ASSIGN_OR_RETURN(const CacheServiceStatsResponse response,
                   context.connection().Call(
                       Role::kStorage, &CacheService::Stub::Stats, request));
  if (context.console.json) {
    PrintCacheStatsAsJson(context.console, response);
  } else {
    PrintCacheStats(context.console, response);
  }
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App* cache, Context& context, const std::string& name,
                     const std::string& description, const Options& options,
                     absl::Status (*action)(Context&, const CacheOptions&)) {
  CLI::App* command = cache->add_subcommand(name, description);
  command
      ->add_option("--collection", options->collection,
                   "The collection that is the cache")
      ->capture_default_str();
  command->callback([&context, options, action] {
    context.action = [&context, options, action] {
      return action(context, *options);
    };
  });
  return command;
}

void AddKey(CLI::App* command, const Options& options) {
  command->add_option("KEY", options->key, "The key")->required();
}

void AddCategory(CLI::App* command, const Options& options,
                 const std::string& description) {
  command->add_option("--category", options->category, description);
}

void AddGet(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* get = AddCommand(cache, context, "get",
                             "Show an entry, and count "
                             "a hit",
                             options, GetEntry);
  AddKey(get, options);
  get->add_flag("--value", options->only_value,
                "Print the value alone: text as it is, the rest as JSON");
  get->footer(R"(Exit code 3 if there is no such entry.

Examples:
  engramctl cache get api:rates
  engramctl cache get api:rates --value)");
}

void AddSet(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* set = AddCommand(cache, context, "set", "Store a value under a key",
                             options, SetEntry);
  AddKey(set, options);
  set->add_option("VALUE", options->value,
                  "JSON, or if it is none a text; - reads it from stdin")
      ->required();
  set->add_flag("--text", options->is_text, "A text, even if it could be JSON");
  set->add_option_function<std::string>(
      "--ttl",
      [options](const std::string& text) {
        if (!absl::ParseDuration(text, &options->ttl) ||
            options->ttl < absl::Milliseconds(1) ||
            options->ttl > absl::Hours(24 * 36'525)) {
          throw CLI::ValidationError(
              "--ttl", "wants a duration from 1ms on, such as 90s, 10m or 24h");
        }
      },
      "How long it lives; without, for ever");
  AddCategory(set, options, "What it belongs to");
  set->footer(R"(Examples:
  engramctl cache set api:rates '{"usd": 1.09}' --ttl 10m --category api
  engramctl cache set greeting hello
  engramctl cache set version 7 --text
  engramctl cache set page:1 - --ttl 24h < page.html)");
}

void AddHas(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* has =
      AddCommand(cache, context, "has",
                 "Say whether there is an entry, without counting a hit",
                 options, HasEntry);
  AddKey(has, options);
  has->footer(R"(Exit code 0 if there is, 3 if not.

Examples:
  engramctl cache has api:rates && echo cached)");
}

// One of the two, or none.
void AddPatterns(CLI::App* command, const Options& options) {
  CLI::Option* glob = command->add_option(
      "--glob", options->glob,
      "Keys that meet this: * any text, ? one character, [a-c] or [!a-c] one "
      "of a set, \\ takes the next as it is");
  CLI::Option* regex =
      command->add_option("--regex", options->regex,
                          "Keys a part of which matches this RE2 expression");
  glob->excludes(regex);
}

void AddDelete(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* remove = AddCommand(cache, context, "delete", "Delete entries",
                                options, DeleteEntries);
  CLI::Option_group* which = remove->add_option_group("Entries");
  which->add_option("KEY", options->keys, "The keys");
  AddPatterns(which, options);
  which->require_option(1);
  remove->footer(R"(One that does not exist is no error.

Examples:
  engramctl cache delete api:rates api:news
  engramctl cache delete --glob 'api:*'
  engramctl cache delete --regex '^tool:[0-9]+$')");
}

void AddKeys(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* keys =
      AddCommand(cache, context, "keys",
                 "List keys, in the order of their bytes", options, ListKeys);
  AddPatterns(keys, options);
  AddCategory(keys, options, "Only of this category");
  keys->add_flag("--expired", options->include_expired,
                 "Those too that have expired and are not swept yet");
  keys->add_option("--limit", options->limit, "The most keys; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  keys->footer(R"(Examples:
  engramctl cache keys --glob 'api:*'
  engramctl cache keys --category tool --limit 0 | wc -l)");
}

void AddClear(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* clear =
      AddCommand(cache, context, "clear",
                 "Delete all entries, or those of a category", options, Clear);
  AddCategory(clear, options, "Only of this category");
  clear->footer(R"(Examples:
  engramctl cache clear --category api
  engramctl cache clear)");
}

void AddStats(CLI::App* cache, Context& context) {
  auto options = std::make_shared<CacheOptions>();
  CLI::App* stats =
      AddCommand(cache, context, "stats",
                 "Count entries, bytes, hits and misses", options, ShowStats);
  stats->footer(R"(Examples:
  engramctl cache stats
  engramctl cache stats --collection answers --json)");
}

}  // namespace

void AddCacheCommand(CLI::App& app, Context& context) {
  CLI::App* cache = app.add_subcommand("cache", "Values by key, for a time");
  cache->require_subcommand(1);
  AddGet(cache, context);
  AddSet(cache, context);
  AddHas(cache, context);
  AddDelete(cache, context);
  AddKeys(cache, context);
  AddClear(cache, context);
  AddStats(cache, context);
}

}  // namespace engram::engramctl
