#include "tests/benchmarks/search/search_database.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engram/storage/v1/catalog.pb.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::benchmarks {

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

std::unique_ptr<search::DatabaseIndex> MakeDatabase(const SearchData& data) {
  storage::v1::Collection collection;
  collection.set_name("items");
  storage::v1::VectorField& field = *collection.add_vector_fields();
  field.set_name("vector");
  field.set_metric(common::v1::METRIC_DOT);
  field.set_supplied(true);
  field.mutable_generation()->set_id(1);
  field.mutable_generation()->set_dimensions(data.dimensions);
  auto database = std::make_unique<search::DatabaseIndex>(
      Position{"default", 7, data.count}, 0);
  Expect(database->AddCollection(collection).ok(), "no collection");
  auto index = std::make_shared<search::VectorIndex>(
      IndexOf(*database)->spec(), search::GraphPolicy{.min_bytes = 0});
  for (int64_t row = 0; row < data.count; ++row) {
    const std::string id = absl::StrCat("record-", row);
    index->Apply({{.kind = search::IndexChange::Kind::kPutVectors,
                   .row = row,
                   .sequence = row,
                   .id = id,
                   .chunks = {vector::Pack(absl::MakeConstSpan(
                       &data.rows[row * data.dimensions], data.dimensions))}}},
                 row);
  }
  index->Optimize(/*threads=*/2, [] { return true; });
  database->SetIndex(std::move(index));
  return database;
}

std::shared_ptr<search::Index> IndexOf(const search::DatabaseIndex& database) {
  return *database.Find("items", "");
}

}  // namespace engram::benchmarks
