#include "libs/filter/shared_parameters.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"

namespace engram::filter {

google::protobuf::Struct SharedParameters::Of(absl::string_view text) {
  google::protobuf::Struct result;
  const auto tokens = Tokenize(text);
  // What is no text of the language is its parser's to report.
  if (!tokens.ok()) return result;
  for (const Token& token : *tokens) {
    if (token.kind != Token::Kind::kParameter) continue;
    const auto found = values_.fields().find(token.text);
    if (found == values_.fields().end()) continue;
    (*result.mutable_fields())[token.text] = found->second;
    used_.insert(token.text);
  }
  return result;
}

void SharedParameters::CheckAllUsed(FieldViolations& violations) const {
  std::vector<absl::string_view> unused;
  for (const auto& [name, value] : values_.fields()) {
    if (!used_.contains(name)) unused.push_back(name);
  }
  // A Struct has no order; an answer should not depend on a hash.
  std::sort(unused.begin(), unused.end());
  for (const absl::string_view name : unused) {
    violations.Add(absl::StrCat("parameters.", CutText(name, 64)),
                   "is used nowhere; leave it out");
  }
}

}  // namespace engram::filter
