#include "services/storage/testing/text_corpus.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "libs/sqlite/fts5_tokenizer.h"
#include "libs/status/status_macros.h"
#include "services/storage/text_query.h"
#include "services/storage/text_search.h"

namespace engram::storage::testing {
namespace {

// Title, body; no value is empty. Of what is found in them there is everything
// that a query may be made of: the words of its operators, other scripts,
// accents, words in two fields, twice in one, one after another or not.
struct Document {
  const char* title;
  const char* body;
};
constexpr Document kDocuments[] = {
    {"red apples", "green pears and red apples, or none"},
    {"apples red", "no near miss: not one"},
    {"Green", "a tree of apples; apples, apples (apples)"},
    {"naïve café", "Über die Straße ging ein Bär"},
    {"cafe", "naive running runner runs ran"},
    {"日本語の本", "本を読む 日本"},
    {"src/a-b.cc", "int main(void) { return x:y; } // a_b@c.d 3.14"},
    {"title body", "body:title rowid rank bm25"},
    {"", "only a body, near a tree"},
    {"only a title", ""},
    {"NOT AND OR", "NEAR or and not"},
    {"\"quoted\"", "it's \"red apples\" ^start end$ 100%"},
    {"red", "red red red red"},
    {"emoji 🍎", "🍏 and a b c d e f g h i j k l m n o p"},
};
constexpr absl::string_view kTokenizers[] = {"unicode61", "porter", "trigram"};

constexpr absl::string_view kColumns[] = {"title", "body"};
// Nobody's text has these.
constexpr absl::string_view kBeginMark = "<<";
constexpr absl::string_view kEndMark = ">>";
constexpr size_t kMaxQueryBytes = 8 << 10;

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "text corpus: %s\n", status.ToString().c_str());
  std::abort();
}

absl::Status Broken(absl::string_view what, absl::string_view detail) {
  return absl::InternalError(absl::StrCat(what, ": ", detail));
}

std::string IdOf(size_t document) { return absl::StrCat("d", 10 + document); }

// What half of the searches are filtered by.
bool IsEven(size_t document) { return document % 2 == 0; }

std::string ItemOf(absl::string_view collection, size_t i) {
  const auto field = [](absl::string_view name, const std::string& text) {
    return text.empty()
               ? ""
               : absl::StrCat(", \"", name, "\": \"",
                              absl::StrReplaceAll(text, {{"\"", "\\\""}}),
                              "\"");
  };
  return absl::StrCat(R"({"collection": ")", collection,
                      R"(", "upsert": {"id": ")", IdOf(i),
                      R"(", "fields": {"even": )", IsEven(i) ? "true" : "false",
                      field("title", kDocuments[i].title),
                      field("body", kDocuments[i].body), "}}}");
}

// A record's words by column.
using Words = std::vector<std::vector<std::string>>;

// Evaluates a query by its definition.
class Evaluation {
 public:
  Evaluation(sqlite::Fts5Tokenizer& tokenizer, const Words& words)
      : tokenizer_(tokenizer), words_(words) {}

  bool IsTrue(const TextNode& node) {
    const auto is_true = [&](const TextNode& operand) {
      return IsTrue(operand);
    };
    switch (node.kind) {
      case TextNode::Kind::kWords:
        return HasWords(node);
      case TextNode::Kind::kNot:
        return !IsTrue(node.operands[0]);
      case TextNode::Kind::kAnd:
        return std::all_of(node.operands.begin(), node.operands.end(), is_true);
      case TextNode::Kind::kOr:
        return std::any_of(node.operands.begin(), node.operands.end(), is_true);
    }
    return false;
  }

 private:
  bool HasWords(const TextNode& node) {
    const auto wanted = tokenizer_.QueryWords(node.text);
    Require(wanted.status());
    for (size_t column = 0; column < words_.size(); ++column) {
      if (node.column >= 0 && node.column != static_cast<int>(column)) continue;
      const std::vector<std::string>& there = words_[column];
      for (size_t at = 0; at + wanted->size() <= there.size(); ++at) {
        if (StandsAt(*wanted, node.is_prefix, &there[at])) return true;
      }
    }
    return false;
  }

  static bool StandsAt(const std::vector<std::string>& wanted, bool is_prefix,
                       const std::string* there) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const bool same = is_prefix && i + 1 == wanted.size()
                            ? absl::StartsWith(there[i], wanted[i])
                            : there[i] == wanted[i];
      if (!same) return false;
    }
    return true;
  }

  sqlite::Fts5Tokenizer& tokenizer_;
  const Words& words_;
};

// That a passage has a word marked and is a part of the document.
absl::Status CheckSnippet(const v1::TextHit& hit,
                          const v1::TextSnippet& snippet) {
  const size_t number =
      std::strtoul(hit.record().id().c_str() + 1, nullptr, 10);
  const Document& document = kDocuments[number - 10];
  const absl::string_view whole =
      snippet.field() == "title" ? document.title : document.body;
  if (!absl::StrContains(snippet.text(), kBeginMark) ||
      !absl::StrContains(snippet.text(), kEndMark)) {
    return Broken("a passage without a mark", snippet.text());
  }
  const std::string plain =
      absl::StrReplaceAll(snippet.text(), {{kBeginMark, ""}, {kEndMark, ""}});
  absl::string_view part = plain;
  absl::ConsumePrefix(&part, "...");
  absl::ConsumeSuffix(&part, "...");
  if (!absl::StrContains(whole, part)) {
    return Broken("a passage that is not there", snippet.text());
  }
  return absl::OkStatus();
}

absl::Status CheckHits(const v1::SearchTextResponse& response) {
  for (int i = 0; i < response.hits_size(); ++i) {
    const v1::TextHit& hit = response.hits(i);
    const std::string& id = hit.record().id();
    if (!(hit.score() > 0)) return Broken("a score of nothing", id);
    if (i > 0) {
      const v1::TextHit& before = response.hits(i - 1);
      if (before.score() < hit.score() ||
          (before.score() == hit.score() && before.record().id() >= id)) {
        return Broken("out of order", id);
      }
    }
    if (hit.snippets().empty()) return Broken("no passage", id);
    for (const v1::TextSnippet& snippet : hit.snippets()) {
      RETURN_IF_ERROR(CheckSnippet(hit, snippet));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> IdsOf(const v1::SearchTextResponse& response) {
  std::vector<std::string> ids;
  for (const auto& hit : response.hits()) ids.push_back(hit.record().id());
  return ids;
}

}  // namespace

struct TextCorpus::Tokenized {
  std::string name;
  sqlite::Fts5Tokenizer tokenizer;
  // By id, of the records that can be found.
  std::map<std::string, Words> documents;
  std::set<std::string> even;
  ReadPool::Lease reader;
};

TextCorpus::TextCorpus() {
  for (const absl::string_view tokenizer : kTokenizers) {
    // A collection cannot be given its tokenizer's name twice, so it is it.
    Require(database_.Apply({absl::StrCat(
        "collection: ", tokenizer,
        "\nfields:\n  title: {type: string}\n  body: {type: text}\n"
        "  even: {type: bool}\n  ends: {type: timestamp}\n"
        "full_text: {fields: {title: 2, body: 1}, tokenizer: ",
        tokenizer, "}\nsoft_delete: true\nexpire: {field: ends}\n")}));
    auto reader = database_.database().AcquireReader();
    Require(reader.status());
    auto made = sqlite::Fts5Tokenizer::Create(
        **reader, tokenizer == "porter" ? "porter unicode61" : tokenizer);
    Require(made.status());
    auto collection =
        std::make_unique<Tokenized>(Tokenized{.name = std::string(tokenizer),
                                              .tokenizer = *std::move(made),
                                              .reader = *std::move(reader)});
    std::vector<std::string> items;
    for (size_t i = 0; i < std::size(kDocuments); ++i) {
      items.push_back(ItemOf(tokenizer, i));
      Words& words = collection->documents[IdOf(i)];
      for (const char* text : {kDocuments[i].title, kDocuments[i].body}) {
        auto found = collection->tokenizer.DocumentWords(text);
        Require(found.status());
        words.push_back(*std::move(found));
      }
      if (IsEven(i)) collection->even.insert(IdOf(i));
    }
    // Never found: deleted, and expired.
    items.push_back(absl::StrCat(
        R"({"collection": ")", tokenizer,
        R"(", "upsert": {"id": "x1", "fields": {"title": "red apples"}}})"));
    items.push_back(absl::StrCat(R"({"collection": ")", tokenizer,
                                 R"(", "delete": {"id": "x1"}})"));
    items.push_back(absl::StrCat(
        R"({"collection": ")", tokenizer,
        R"(", "upsert": {"id": "x2", "fields": {"title": "red apples",)",
        R"( "ends": "2000-01-01T00:00:00Z"}}})"));
    Require(database_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]"))
                .status());
    collections_.push_back(std::move(collection));
  }
}

TextCorpus::~TextCorpus() = default;

std::set<std::string> TextCorpus::Expected(Tokenized& collection,
                                           absl::string_view query) {
  sqlite::Fts5Tokenizer& tokenizer = collection.tokenizer;
  const std::vector<std::string> columns(std::begin(kColumns),
                                         std::end(kColumns));
  const std::optional<TextNode> parsed =
      ParseTextQuery(query, columns, [&](absl::string_view text) {
        const auto words = tokenizer.QueryWords(text);
        Require(words.status());
        return !words->empty();
      });
  std::set<std::string> expected;
  // What a record without words meets finds nothing.
  if (!parsed.has_value() || Evaluation(tokenizer, {{}, {}}).IsTrue(*parsed)) {
    return expected;
  }
  for (const auto& [id, words] : collection.documents) {
    if (Evaluation(tokenizer, words).IsTrue(*parsed)) expected.insert(id);
  }
  return expected;
}

absl::Status TextCorpus::CheckCollection(Tokenized& collection,
                                         absl::string_view query) {
  v1::SearchTextRequest request;
  request.set_collection(collection.name);
  request.set_query(std::string(query));
  request.set_page_size(1000);
  request.set_with_total(true);
  request.mutable_read_mask()->add_paths("id");
  request.mutable_snippets()->set_max_tokens(64);
  request.mutable_snippets()->set_begin_mark(std::string(kBeginMark));
  request.mutable_snippets()->set_end_mark(std::string(kEndMark));
  v1::SearchTextResponse all;
  const absl::Status searched =
      SearchText(database_.database(), request, {}, &all);
  if (query.size() > kMaxQueryBytes) {
    return absl::IsInvalidArgument(searched)
               ? absl::OkStatus()
               : Broken("a query that is too long", searched.ToString());
  }
  RETURN_IF_ERROR(searched);
  RETURN_IF_ERROR(CheckHits(all));
  const std::vector<std::string> ids = IdsOf(all);
  std::set<std::string> expected = Expected(collection, query);
  if (std::set<std::string>(ids.begin(), ids.end()) != expected ||
      all.total_size() != static_cast<int64_t>(expected.size())) {
    return Broken("found others",
                  absl::StrCat(absl::StrJoin(ids, ","), " (", all.total_size(),
                               "), not ", absl::StrJoin(expected, ",")));
  }

  // Page by page.
  std::vector<std::string> paged;
  request.set_page_size(2);
  do {
    v1::SearchTextResponse page;
    RETURN_IF_ERROR(SearchText(database_.database(), request, {}, &page));
    for (std::string& id : IdsOf(page)) paged.push_back(std::move(id));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && paged.size() <= ids.size());
  if (paged != ids) return Broken("other pages", absl::StrJoin(paged, ","));

  // With a filter.
  request.set_filter("even");
  request.set_page_size(1000);
  v1::SearchTextResponse filtered;
  RETURN_IF_ERROR(SearchText(database_.database(), request, {}, &filtered));
  std::vector<std::string> even;
  for (const std::string& id : ids) {
    if (collection.even.count(id) > 0) even.push_back(id);
  }
  if (IdsOf(filtered) != even) {
    return Broken("found others by filter",
                  absl::StrJoin(IdsOf(filtered), ","));
  }
  return absl::OkStatus();
}

absl::Status TextCorpus::Check(absl::string_view query) {
  for (const auto& collection : collections_) {
    const absl::Status status = CheckCollection(*collection, query);
    if (status.ok()) continue;
    return absl::Status(status.code(),
                        absl::StrCat(collection->name, ": query \"",
                                     absl::Utf8SafeCHexEscape(query),
                                     "\": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage::testing
