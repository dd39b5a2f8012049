#include "services/storage/embedding_usage.h"

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// Of one text: a thousand dollars. Sums stay far from what an integer holds.
constexpr int64_t kMaxUsage = 1'000'000'000'000;

constexpr absl::string_view kAdd = R"sql(
INSERT INTO _embedding_usage
  (hour, provider, model, requests, texts, tokens, cost_nanousd)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hour, provider, model) DO UPDATE SET
  requests = requests + excluded.requests, texts = texts + excluded.texts,
  tokens = tokens + excluded.tokens,
  cost_nanousd = cost_nanousd + excluded.cost_nanousd)sql";
constexpr absl::string_view kPrune =
    "DELETE FROM _embedding_usage WHERE hour < ?";
constexpr absl::string_view kSelect = R"sql(
SELECT hour, provider, model, requests, texts, tokens, cost_nanousd
FROM _embedding_usage WHERE hour >= ? AND hour < ?
ORDER BY hour, provider, model)sql";

bool IsEmpty(const v1::EmbeddingUsage& usage) {
  return usage.requests() == 0 && usage.texts() == 0 && usage.tokens() == 0 &&
         usage.cost_nanousd() == 0;
}

}  // namespace

void CheckUsage(const v1::EmbeddingUsage& usage, absl::string_view path,
                FieldViolations& violations) {
  const auto check = [&](absl::string_view field, int64_t value) {
    if (value >= 0 && value <= kMaxUsage) return;
    violations.Add(absl::StrCat(path, ".", field),
                   absl::StrCat("is ", value, "; give 0 to ", kMaxUsage));
  };
  check("requests", usage.requests());
  check("texts", usage.texts());
  check("tokens", usage.tokens());
  check("cost_nanousd", usage.cost_nanousd());
}

void CheckProvider(absl::string_view provider, FieldViolations& violations) {
  if (provider.size() <= kMaxProviderBytes) return;
  violations.Add("provider",
                 absl::StrCat("has ", provider.size(), " bytes; give at most ",
                              kMaxProviderBytes));
}

void AddUsage(const v1::EmbeddingUsage& usage, v1::EmbeddingUsage& sum) {
  sum.set_requests(sum.requests() + usage.requests());
  sum.set_texts(sum.texts() + usage.texts());
  sum.set_tokens(sum.tokens() + usage.tokens());
  sum.set_cost_nanousd(sum.cost_nanousd() + usage.cost_nanousd());
}

void UsageSum::Add(const Catalog& catalog, int64_t generation,
                   const v1::EmbeddingUsage& usage) {
  if (IsEmpty(usage)) return;
  const CollectionPtr collection = catalog.FindByGeneration(generation);
  AddUsage(usage,
           by_model_[collection == nullptr
                         ? ""
                         : GetGeneration(*collection, generation).model]);
}

absl::Status UsageSum::Store(WriteTransaction& transaction,
                             absl::string_view provider) const {
  if (by_model_.empty()) return absl::OkStatus();
  const int64_t hour = transaction.now_us() / kHourUs;
  for (const auto& [model, usage] : by_model_) {
    ASSIGN_OR_RETURN(sqlite::Statement add,
                     transaction.connection().Cached(kAdd));
    add.BindInt(1, hour);
    add.BindText(2, provider);
    add.BindText(3, model);
    add.BindInt(4, usage.requests());
    add.BindInt(5, usage.texts());
    add.BindInt(6, usage.tokens());
    add.BindInt(7, usage.cost_nanousd());
    RETURN_IF_ERROR(add.Run());
  }
  ASSIGN_OR_RETURN(sqlite::Statement prune,
                   transaction.connection().Cached(kPrune));
  prune.BindInt(1, hour - kUsageHoursKept);
  return prune.Run();
}

absl::Status VisitUsage(
    sqlite::Connection& connection, int64_t begin, int64_t end,
    absl::FunctionRef<absl::Status(const HourUsage&)> visit) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelect));
  select.BindInt(1, begin);
  select.BindInt(2, end);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    HourUsage row = {.hour = select.Int(0),
                     .provider = std::string(select.Text(1)),
                     .model = std::string(select.Text(2))};
    row.usage.set_requests(select.Int(3));
    row.usage.set_texts(select.Int(4));
    row.usage.set_tokens(select.Int(5));
    row.usage.set_cost_nanousd(select.Int(6));
    RETURN_IF_ERROR(visit(row));
  }
}

}  // namespace engram::storage
