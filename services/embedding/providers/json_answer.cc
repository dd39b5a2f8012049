#include "services/embedding/providers/json_answer.h"

#include <string_view>

#include "absl/strings/escaping.h"
#include "libs/status/status_macros.h"
#include "libs/vector/vector.h"

namespace engram::embedding {
namespace {

constexpr double kMaxCount = 1e12;

absl::StatusOr<std::vector<float>> DecodeBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape({text.data(), text.size()}, &bytes) ||
      bytes.size() % sizeof(float) != 0) {
    return absl::InternalError("a vector is not the base64 of floats");
  }
  return vector::Unpack(bytes);
}

}  // namespace

absl::StatusOr<std::vector<float>> ReadVector(simdjson::ondemand::value value,
                                              int dimensions) {
  if (value.type() == simdjson::ondemand::json_type::string) {
    return DecodeBase64(value.get_string());
  }
  std::vector<float> vector;
  vector.reserve(dimensions);
  for (auto number : value.get_array()) {
    vector.push_back(static_cast<float>(double(number.get_double())));
  }
  return vector;
}

absl::StatusOr<std::vector<std::vector<float>>> ReadVectors(
    simdjson::ondemand::array list, int dimensions) {
  std::vector<std::vector<float>> vectors;
  for (auto element : list) {
    ASSIGN_OR_RETURN(vectors.emplace_back(),
                     ReadVector(element.value(), dimensions));
  }
  return vectors;
}

int64_t ReadCount(simdjson::simdjson_result<simdjson::ondemand::value> value) {
  // As a double: Cohere writes counts with a point.
  double number = 0;
  const auto error = value.get_double().get(number);
  const bool is_count =
      error == simdjson::SUCCESS && number >= 0 && number < kMaxCount;
  return is_count ? static_cast<int64_t>(number) : 0;
}

}  // namespace engram::embedding
