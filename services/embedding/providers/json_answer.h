// What the formats share of reading JSON: simdjson On-Demand, which goes
// through the text once and turns numbers into floats where they stand.

#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_JSON_ANSWER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_JSON_ANSWER_H_

#include <simdjson.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace engram::embedding {

// Calls `read`, which takes a simdjson::ondemand::document& and returns an
// absl::Status, with the document `body`. `Internal` if that is no JSON, ends
// early, or is of another shape than `read` asks for: simdjson's exceptions are
// caught here. `body` may be moved.
template <typename Read>
absl::Status ReadJson(std::string& body, Read read) {
  body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  // A parser of its own: its memory goes back, and only what the answer needs
  // of it is ever touched.
  simdjson::ondemand::parser parser;
  try {
    simdjson::ondemand::document document =
        parser.iterate(body.data(), body.size(), body.capacity());
    return read(document);
  } catch (const simdjson::simdjson_error& error) {
    return absl::InternalError(absl::StrCat(
        "the answer is not the JSON that is documented: ", error.what()));
  }
}

// Returns the vector that `value` holds: a list of numbers, or a string with
// the base64 of little-endian floats. `dimensions` is how many are expected;
// others are returned, too. Throws simdjson's exceptions.
absl::StatusOr<std::vector<float>> ReadVector(simdjson::ondemand::value value,
                                              int dimensions);

// Returns the vectors of `list`, a list of them.
absl::StatusOr<std::vector<std::vector<float>>> ReadVectors(
    simdjson::ondemand::array list, int dimensions);

// Returns the number of `value`, a count of tokens; 0 if there is none, as no
// answer is worth refusing for it.
int64_t ReadCount(simdjson::simdjson_result<simdjson::ondemand::value> value);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_JSON_ANSWER_H_
