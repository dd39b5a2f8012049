// The mistakes that ParseCollection reports, as tests compare them.

#ifndef ENGRAM_LIBS_SCHEMA_TESTING_MISTAKES_H_
#define ENGRAM_LIBS_SCHEMA_TESTING_MISTAKES_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema::testing {

// Path and description of every violation, in order.
using Mistakes = std::vector<std::pair<std::string, std::string>>;

inline Mistakes MistakesOf(const absl::Status& status) {
  EXPECT_THAT(status,
              engram::testing::StatusIs(absl::StatusCode::kInvalidArgument));
  Mistakes result;
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (!payload.has_value()) return result;
  google::rpc::BadRequest details;
  EXPECT_TRUE(details.ParseFromString(std::string(*payload)));
  for (const auto& violation : details.field_violations()) {
    result.emplace_back(violation.field(), violation.description());
  }
  return result;
}

// Those of a document named `x.yaml`, which must have some.
inline Mistakes MistakesOf(absl::string_view yaml) {
  const auto spec = ParseCollection("x.yaml", yaml);
  EXPECT_FALSE(spec.ok()) << yaml;
  return spec.ok() ? Mistakes() : MistakesOf(spec.status());
}

// A document whose one field is declared by `attributes`.
inline std::string FieldDocument(absl::string_view attributes) {
  return absl::StrCat("collection: c\nfields:\n  f: {", attributes, "}\n");
}

}  // namespace engram::schema::testing

#endif  // ENGRAM_LIBS_SCHEMA_TESTING_MISTAKES_H_
