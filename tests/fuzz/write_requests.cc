#include "tests/fuzz/write_requests.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::fuzz {

// A field, and what is worth trying in it.
enum class Try { kId, kText, kChoice, kNumber, kTime, kList, kObject, kFlag };
struct FieldChoice {
  absl::string_view collection;
  absl::string_view name;
  Try worth;
};

namespace {

constexpr absl::string_view kCollections[] = {"sessions", "messages", "facts",
                                              "links", "claims"};

constexpr FieldChoice kFields[] = {{"sessions", "key", Try::kText},
                                   {"sessions", "state", Try::kChoice},
                                   {"sessions", "owner", Try::kText},
                                   {"sessions", "messages", Try::kNumber},
                                   {"sessions", "changed", Try::kTime},
                                   {"messages", "session_id", Try::kId},
                                   {"messages", "reply_to", Try::kId},
                                   {"messages", "kind", Try::kChoice},
                                   {"messages", "text", Try::kText},
                                   {"messages", "tokens", Try::kNumber},
                                   {"messages", "at", Try::kTime},
                                   {"messages", "tags", Try::kList},
                                   {"messages", "metadata", Try::kObject},
                                   {"messages", "author", Try::kText},
                                   {"messages", "weight", Try::kNumber},
                                   {"messages", "blob", Try::kText},
                                   {"facts", "subject", Try::kText},
                                   {"facts", "score", Try::kNumber},
                                   {"facts", "seen", Try::kNumber},
                                   {"facts", "least", Try::kNumber},
                                   {"facts", "notes", Try::kList},
                                   {"facts", "mean", Try::kNumber},
                                   {"facts", "flag", Try::kFlag},
                                   {"facts", "ends", Try::kTime},
                                   {"facts", "session_id", Try::kId},
                                   {"links", "source", Try::kId},
                                   {"links", "target", Try::kId},
                                   {"links", "kind", Try::kChoice},
                                   {"claims", "about", Try::kText},
                                   {"claims", "score", Try::kText},
                                   {"claims", "seen", Try::kNumber},
                                   {"claims", "session_id", Try::kId}};
constexpr absl::string_view kIds[] = {"1", "2", "3", "4"};
constexpr absl::string_view kOneOf[] = {"open", "closed", "user", "tool",
                                        "likes"};
constexpr absl::string_view kTimes[] = {
    "2027-01-15T08:00:00Z", "2027-01-20T00:00:00Z",
    "2030-01-01T00:00:00.000001Z", "1970-01-01T00:00:00Z"};
constexpr absl::string_view kStrings[] = {"",
                                          "a",
                                          "b",
                                          "A",
                                          "1",
                                          "2",
                                          "3",
                                          "open",
                                          "closed",
                                          "user",
                                          "tool",
                                          "likes",
                                          "x y z",
                                          "a's \"; DROP TABLE facts; --",
                                          "AQID",
                                          "2027-01-15T08:00:00Z",
                                          "2030-01-01T00:00:00.000001Z",
                                          "9223372036854775807",
                                          "-5",
                                          "0.25"};
constexpr double kNumbers[] = {0,     1,      -1,     2,
                               0.5,   0.25,   7.5,    999,
                               1000,  1e6,    1e15,   9007199254740993.0,
                               1e300, -1e300, 5e-324, -0.0};
constexpr absl::string_view kFilters[] = {
    "true",
    "tokens > 0",
    "kind = \"user\" AND NOT tags HAS \"a\"",
    "id = :p",
    "metadata.author = :p",
    "seen >= 1 OR score IS NULL",
    "subject LIKE \"%a%\"",
    "_update_time > now - 1d",
    "EXISTS metadata.author",
    "text PREFIX \"a\"",
    "state != \"closed\"",
};
constexpr absl::string_view kExpressions[] = {"tokens + 1",
                                              "seen * seen * 1000000007",
                                              "coalesce(score, 0.5) / 0",
                                              "coalesce(at, now)",
                                              "min(tokens, 5)",
                                              "round(score, 1)",
                                              "coalesce(text, kind)"};

}  // namespace

storage::v1::WriteRequest Requests::Write() {
  storage::v1::WriteRequest request;
  for (int i = choices_.Below(6); i >= 0; --i) Item(*request.add_items());
  if (choices_.OneIn(3)) request.set_atomic(false);
  if (choices_.OneIn(2)) {
    request.set_request_id(absl::StrCat(choices_.Below(4)));
  }
  return request;
}

storage::v1::UpdateWhereRequest Requests::UpdateWhere() {
  storage::v1::UpdateWhereRequest request;
  request.set_collection(Collection());
  request.set_filter(Filter(*request.mutable_parameters()));
  Fields(*request.mutable_fields());
  if (choices_.OneIn(2)) Transform(*request.add_transforms());
  request.set_dry_run(choices_.OneIn(8));
  if (choices_.OneIn(3)) {
    request.set_request_id(absl::StrCat(choices_.Below(4)));
  }
  return request;
}

storage::v1::DeleteWhereRequest Requests::DeleteWhere() {
  storage::v1::DeleteWhereRequest request;
  request.set_collection(Collection());
  request.set_filter(Filter(*request.mutable_parameters()));
  request.set_dry_run(choices_.OneIn(8));
  request.set_purge(choices_.OneIn(3));
  request.set_skip_referenced(choices_.OneIn(2));
  if (choices_.OneIn(8)) {
    request.set_archive_to(std::string(choices_.Of(kCollections)));
  }
  return request;
}

std::string Requests::Collection() {
  collection_ = choices_.Of(kCollections);
  return std::string(collection_);
}

FieldChoice Requests::Field() {
  std::vector<FieldChoice> own;
  for (const FieldChoice& field : kFields) {
    if (field.collection == collection_) own.push_back(field);
  }
  if (own.empty() || choices_.OneIn(64)) return choices_.Of(kFields);
  return own[choices_.Below(static_cast<int>(own.size()))];
}

std::string Requests::FieldName() { return std::string(Field().name); }

std::string Requests::Id() {
  return choices_.OneIn(8) ? Text() : std::string(choices_.Of(kIds));
}

void Requests::Item(storage::v1::WriteItem& item) {
  item.set_collection(Collection());
  switch (choices_.Below(8)) {
    case 0:
      Record(*item.mutable_create());
      break;
    case 1:
    case 2:
      Record(*item.mutable_upsert());
      break;
    case 3:
      Record(*item.mutable_replace());
      break;
    case 4:
      Record(*item.mutable_update());
      break;
    case 5:
      item.mutable_delete_()->set_id(Id());
      item.mutable_delete_()->set_purge(choices_.OneIn(3));
      break;
    case 6:
      item.mutable_restore()->set_id(Id());
      item.mutable_restore()->set_version(choices_.Below(4));
      break;
    default:
      break;
  }
  if (choices_.OneIn(4)) {
    item.mutable_update_mask()->add_paths(FieldName());
  }
  for (int i = choices_.Below(3); i > 0; --i) Transform(*item.add_transforms());
  if (choices_.OneIn(4)) {
    storage::v1::Condition& condition = *item.mutable_condition();
    if (choices_.OneIn(2)) condition.set_version(choices_.Below(3));
    if (choices_.OneIn(2)) {
      condition.set_filter(Filter(*condition.mutable_parameters()));
    }
  }
}

void Requests::Record(storage::v1::Record& record) {
  if (!choices_.OneIn(4)) record.set_id(Id());
  if (choices_.OneIn(8)) {
    record.set_typed(choices_.Bytes());
  } else {
    Fields(*record.mutable_fields());
  }
  if (!choices_.OneIn(8)) return;
  storage::v1::SuppliedVectors& vectors = *record.add_vectors();
  vectors.set_vector_field("image");
  for (int i = choices_.Below(3); i > 0; --i) {
    vectors.add_chunks()->set_values(
        choices_.OneIn(4) ? choices_.Bytes() : std::string(8, '\x3f'));
  }
}

void Requests::Fields(google::protobuf::Struct& fields) {
  // Without what is required most writes would end early.
  for (const FieldChoice& field : kFields) {
    const bool is_required =
        field.name == "source" || field.name == "target" ||
        field.name == "subject" || field.name == "about" ||
        (field.name == "session_id" && collection_ == "messages");
    if (field.collection != collection_ || !is_required) continue;
    if (!choices_.OneIn(8)) FieldValue(fields, field);
  }
  for (int i = choices_.Below(6); i > 0; --i) FieldValue(fields, Field());
  if (choices_.OneIn(64)) {
    Value((*fields.mutable_fields())[choices_.Characters()], 0);
  }
}

void Requests::FieldValue(google::protobuf::Struct& fields,
                          const FieldChoice& field) {
  google::protobuf::Value& value =
      (*fields.mutable_fields())[std::string(field.name)];
  if (choices_.OneIn(8)) return Value(value, 0);
  switch (field.worth) {
    case Try::kId:
      return value.set_string_value(std::string(choices_.Of(kIds)));
    case Try::kText:
      return value.set_string_value(Text());
    case Try::kChoice:
      return value.set_string_value(std::string(choices_.Of(kOneOf)));
    case Try::kNumber:
      return value.set_number_value(choices_.Of(kNumbers));
    case Try::kTime:
      return value.set_string_value(std::string(choices_.Of(kTimes)));
    case Try::kList:
      for (int i = choices_.Below(4); i >= 0; --i) {
        value.mutable_list_value()->add_values()->set_string_value(Text());
      }
      return;
    case Try::kObject:
      return Value((*value.mutable_struct_value()->mutable_fields())["author"],
                   1);
    case Try::kFlag:
      return value.set_bool_value(choices_.OneIn(2));
  }
}

void Requests::Value(google::protobuf::Value& value, int depth) {
  switch (choices_.Below(depth < 3 ? 8 : 5)) {
    case 0:
      value.set_null_value(google::protobuf::NULL_VALUE);
      return;
    case 1:
      value.set_bool_value(choices_.OneIn(2));
      return;
    case 2:
      value.set_number_value(choices_.Of(kNumbers));
      return;
    case 5:
    case 6: {
      auto& list = *value.mutable_list_value();
      for (int i = choices_.Below(4); i > 0; --i) {
        Value(*list.add_values(), depth + 1);
      }
      return;
    }
    case 7:
      Value((*value.mutable_struct_value()->mutable_fields())["author"],
            depth + 1);
      return;
    default:
      value.set_string_value(Text());
  }
}

void Requests::Transform(storage::v1::Transform& transform) {
  transform.set_field(FieldName());
  switch (choices_.Below(8)) {
    case 0:
      return Value(*transform.mutable_increment(), 3);
    case 1:
      return Value(*transform.mutable_max(), 3);
    case 2:
      return Value(*transform.mutable_min(), 3);
    case 3: {
      auto& append = *transform.mutable_append();
      append.set_unique(choices_.OneIn(2));
      append.set_keep_last(choices_.Below(4));
      return Value(*append.mutable_elements()->add_values(), 2);
    }
    case 4:
      return Value(*transform.mutable_remove()->add_values(), 2);
    case 5:
      transform.mutable_set_now()->set_if_absent(choices_.OneIn(2));
      return;
    case 6:
      return Value(*transform.mutable_set_if_absent(), 1);
    default:
      transform.set_expression(std::string(choices_.Of(kExpressions)));
  }
}

std::string Requests::Filter(google::protobuf::Struct& parameters) {
  if (choices_.OneIn(16)) return choices_.Characters();
  const std::string filter(choices_.Of(kFilters));
  if (filter.find(":p") != std::string::npos) {
    Value((*parameters.mutable_fields())["p"], 3);
  }
  return filter;
}

std::string Requests::Text() {
  return choices_.OneIn(8) ? choices_.Characters()
                           : std::string(choices_.Of(kStrings));
}

}  // namespace engram::fuzz
