#include "tests/benchmarks/search/local_search.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "libs/vector/vector.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"

namespace engram::benchmarks {
namespace {

constexpr int kRecordsACall = 500;

absl::Span<const float> RowOf(const SearchData& data, int64_t row) {
  return absl::MakeSpan(data.rows).subspan(row * data.dimensions,
                                           data.dimensions);
}

}  // namespace

std::unique_ptr<search::Index> MakeIndex(const SearchData& data,
                                         search::GraphPolicy policy) {
  auto index = std::make_unique<search::VectorIndex>(
      search::IndexSpec{
          .generation = 1, .supplied = true, .dimensions = data.dimensions},
      policy);
  for (int64_t row = 0; row < data.count; ++row) {
    const std::string id = absl::StrCat(row);
    const search::IndexChange change = {
        .kind = search::IndexChange::Kind::kPutVectors,
        .row = row,
        .sequence = row,
        .id = id,
        .chunks = {vector::Pack(RowOf(data, row))}};
    index->Apply({change}, row);
  }
  return index;
}

void FillWithPoints(LocalStorage& storage, const SearchData& data) {
  ApplySchema(storage.clients().channel(),
              absl::StrCat("collection: points\nfields:\n  n: {type: int}\n"
                           "vectors:\n"
                           "  v: {supplied: true, metric: cosine, dimensions: ",
                           data.dimensions, "}\n"));
  const auto calls =
      static_cast<int>((data.count + kRecordsACall - 1) / kRecordsACall);
  RunLoad(2, {.calls = calls}, [&](int call, std::function<void()> done) {
    auto request = std::make_shared<storage::v1::WriteRequest>();
    const int64_t begin = int64_t{call} * kRecordsACall;
    const int64_t end = std::min(data.count, begin + kRecordsACall);
    for (int64_t row = begin; row < end; ++row) {
      storage::v1::WriteItem& item = *request->add_items();
      item.set_collection("points");
      storage::v1::Record& record = *item.mutable_create();
      record.set_id(absl::StrCat(row));
      storage::v1::SuppliedVectors& vectors = *record.add_vectors();
      vectors.set_vector_field("v");
      vectors.add_chunks()->set_values(
          std::string(vector::Pack(RowOf(data, row))));
    }
    storage.clients().Write(call, std::move(request), std::move(done));
  });
}

LocalSearch::LocalSearch(search::SearchPeers peers) {
  search::SearchOptions options;
  options.cache_dir = "";
  server_ = CheckOk(search::SearchServer::Create(options, registry_));
  endpoint_ = CheckOk(lifecycle::GrpcEndpoint::Start(
      {.listen = "127.0.0.1:0"}, registry_, server_->services()));
  CheckOk(server_->Start(std::move(peers)));
  address_ = absl::StrCat("127.0.0.1:", endpoint_->port());
  channel_ = lifecycle::ConnectTo(address_);
}

LocalSearch::~LocalSearch() {
  server_->Stop();
  endpoint_.reset();
}

void LocalSearch::WaitForGraph(int64_t count) {
  const auto indexes = search::v1::IndexService::NewStub(channel_);
  const auto wait_until = [](absl::FunctionRef<bool()> condition) {
    while (!condition()) absl::SleepFor(absl::Milliseconds(20));
  };
  wait_until([&] {
    grpc::ClientContext context;
    search::v1::ListIndexesResponse response;
    CheckOk(indexes->ListIndexes(&context, {}, &response));
    return response.indexes_size() == 1 &&
           response.indexes(0).graph_vectors() == count;
  });
  wait_until([&] {
    grpc::ClientContext context;
    search::v1::GetIndexRequest request;
    request.set_collection("points");
    search::v1::GetIndexResponse response;
    CheckOk(indexes->GetIndex(&context, request, &response));
    return response.calibration_size() > 0;
  });
}

}  // namespace engram::benchmarks
