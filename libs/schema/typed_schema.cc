#include "libs/schema/typed_schema.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/json/json.h"

namespace engram::schema {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;

constexpr absl::string_view kPackage = "engram.records";
constexpr absl::string_view kTimestampFile = "google/protobuf/timestamp.proto";
constexpr int kFirstKeptByProtobuf = 19'000;
constexpr int kLastKeptByProtobuf = 19'999;
constexpr int kLargestNumber = (1 << 29) - 1;
constexpr size_t kLineLength = 80;
// As many allowed values as a comment should hold.
constexpr size_t kShownChoices = 10;

// The places of the fields, by number.
std::vector<int> ByNumber(const TypedLayout& layout) {
  std::vector<int> places(layout.numbers.size());
  std::iota(places.begin(), places.end(), 0);
  std::sort(places.begin(), places.end(), [&](int a, int b) {
    return layout.numbers[a] < layout.numbers[b];
  });
  return places;
}

// What protobuf compares names of fields by, since each has one in JSON too.
std::string Comparable(absl::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '_') out.push_back(c);
  }
  return out;
}

// Gives fields the names that they have in the message: their own, unless
// protobuf takes it for an earlier one's, as it does `userid` for `user_id`.
class MessageNames {
 public:
  std::string Add(const std::string& field, int number) {
    std::string name = field;
    while (!taken_.insert(Comparable(name)).second) {
      absl::StrAppend(&name, "_", number);
    }
    return name;
  }

 private:
  std::set<std::string> taken_;
};

void SetType(FieldType type, absl::string_view message,
             FieldDescriptorProto* out) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kRef:
      out->set_type(FieldDescriptorProto::TYPE_STRING);
      return;
    case FieldType::kInt:
      out->set_type(FieldDescriptorProto::TYPE_INT64);
      return;
    case FieldType::kDouble:
      out->set_type(FieldDescriptorProto::TYPE_DOUBLE);
      return;
    case FieldType::kBool:
      out->set_type(FieldDescriptorProto::TYPE_BOOL);
      return;
    case FieldType::kBytes:
      out->set_type(FieldDescriptorProto::TYPE_BYTES);
      return;
    case FieldType::kTimestamp:
      out->set_type(FieldDescriptorProto::TYPE_MESSAGE);
      out->set_type_name(".google.protobuf.Timestamp");
      return;
    case FieldType::kStrings:
      out->set_type(FieldDescriptorProto::TYPE_MESSAGE);
      out->set_type_name(absl::StrCat(".", message, ".Strings"));
      return;
  }
}

bool IsMessage(const FieldDescriptorProto& field) {
  return field.type() == FieldDescriptorProto::TYPE_MESSAGE;
}

// An `optional` scalar is a oneof of one field to those who read descriptors.
void MakeOptional(DescriptorProto* message, FieldDescriptorProto* field) {
  field->set_proto3_optional(true);
  field->set_oneof_index(message->oneof_decl_size());
  message->add_oneof_decl()->set_name(absl::StrCat("_", field->name()));
}

void AddStrings(DescriptorProto* message) {
  DescriptorProto* strings = message->add_nested_type();
  strings->set_name("Strings");
  FieldDescriptorProto* values = strings->add_field();
  values->set_name("values");
  values->set_number(1);
  values->set_type(FieldDescriptorProto::TYPE_STRING);
  values->set_label(FieldDescriptorProto::LABEL_REPEATED);
}

void AddReserved(const TypedLayout& layout, DescriptorProto* message) {
  std::set<std::string> names;
  for (const DroppedField& dropped : layout.dropped) {
    const int count = message->reserved_range_size();
    if (count > 0 &&
        message->reserved_range(count - 1).end() == dropped.number) {
      message->mutable_reserved_range(count - 1)->set_end(dropped.number + 1);
    } else {
      auto* range = message->add_reserved_range();
      range->set_start(dropped.number);
      range->set_end(dropped.number + 1);  // The end is not part of it.
    }
    names.insert(dropped.name);
  }
  for (const FieldDescriptorProto& field : message->field()) {
    names.erase(field.name());
  }
  for (const std::string& name : names) message->add_reserved_name(name);
}

FileDescriptorProto MakeFile(const CollectionSpec& spec,
                             const TypedLayout& layout) {
  FileDescriptorProto file;
  file.set_name(absl::StrCat("engram/records/", spec.name, ".proto"));
  file.set_package(std::string(kPackage));
  file.set_syntax("proto3");
  DescriptorProto* message = file.add_message_type();
  message->set_name(MessageName(spec.name));
  const std::string full_name = absl::StrCat(kPackage, ".", message->name());
  MessageNames names;
  bool timestamps = false;
  bool strings = false;
  for (const int place : ByNumber(layout)) {
    const FieldSpec& field = spec.fields[place];
    timestamps |= field.type == FieldType::kTimestamp;
    strings |= field.type == FieldType::kStrings;
    FieldDescriptorProto* out = message->add_field();
    out->set_number(layout.numbers[place]);
    out->set_name(names.Add(field.name, out->number()));
    out->set_label(FieldDescriptorProto::LABEL_OPTIONAL);
    SetType(field.type, full_name, out);
    if (!IsMessage(*out)) MakeOptional(message, out);
  }
  if (timestamps) file.add_dependency(std::string(kTimestampFile));
  if (strings) AddStrings(message);
  AddReserved(layout, message);
  return file;
}

std::string Kind(const FieldSpec& field) {
  switch (field.type) {
    case FieldType::kString:
      return "A string";
    case FieldType::kText:
      return "Text";
    case FieldType::kInt:
      return "A whole number";
    case FieldType::kDouble:
      return "A number";
    case FieldType::kBool:
      return "True or false";
    case FieldType::kTimestamp:
      return "A time, kept to the microsecond";
    case FieldType::kJson:
      return "A JSON value, as its text";
    case FieldType::kBytes:
      return "Bytes";
    case FieldType::kStrings:
      return "A list of strings";
    case FieldType::kRef:
      return absl::StrCat("The id of a record of `", field.target, "`");
  }
  return "";
}

std::string LengthUnit(FieldType type) {
  if (type == FieldType::kBytes) return "bytes";
  return type == FieldType::kStrings ? "elements" : "characters";
}

std::string Choices(const FieldSpec& field) {
  const FieldType element =
      field.type == FieldType::kStrings ? FieldType::kString : field.type;
  std::string text =
      field.type == FieldType::kStrings ? "each one of " : "one of ";
  for (size_t i = 0; i < std::min(field.one_of.size(), kShownChoices); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ",
                    ShowValue(element, field.one_of[i]));
  }
  if (field.one_of.size() > kShownChoices) absl::StrAppend(&text, ", …");
  return text;
}

// What whoever fills the field has to know, as one sentence.
std::string DescribeField(const FieldSpec& field,
                          absl::string_view message_name) {
  std::vector<std::string> parts = {Kind(field)};
  if (message_name != field.name) {
    parts.push_back(absl::StrCat("the field `", field.name, "`"));
  }
  if (!field.generated.empty() || !field.extract.empty()) {
    parts.push_back("computed by Engram, never sent");
  }
  if (field.required) parts.push_back("required");
  if (field.immutable) parts.push_back("never changes");
  if (field.unique) parts.push_back("unique");
  if (!field.one_of.empty()) parts.push_back(Choices(field));
  if (field.min.index() != 0) {
    parts.push_back(
        absl::StrCat("at least ", ShowValue(field.type, field.min)));
  }
  if (field.max.index() != 0) {
    parts.push_back(absl::StrCat("at most ", ShowValue(field.type, field.max)));
  }
  if (field.max_length.has_value()) {
    parts.push_back(absl::StrCat("at most ", *field.max_length, " ",
                                 LengthUnit(field.type)));
  }
  if (!field.pattern.empty()) {
    std::string pattern;
    json::AppendQuoted(field.pattern, &pattern);
    parts.push_back(absl::StrCat("matches ", pattern));
  }
  if (field.default_now) {
    parts.push_back("by default the time of the write");
  } else if (field.default_value.index() != 0) {
    parts.push_back(absl::StrCat("by default ",
                                 ShowValue(field.type, field.default_value)));
  }
  return absl::StrCat(absl::StrJoin(parts, "; "), ".");
}

// Appends `text` as comment lines; a word that is too long keeps its line.
void AppendComment(absl::string_view indent, absl::string_view text,
                   std::string* out) {
  const std::string start = absl::StrCat(indent, "//");
  std::string line = start;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.size() + 1 + word.size() > kLineLength && line != start) {
      absl::StrAppend(out, line, "\n");
      line = start;
    }
    absl::StrAppend(&line, " ", word);
  }
  absl::StrAppend(out, line, "\n");
}

void AppendReserved(const DescriptorProto& message, std::string* out) {
  std::vector<std::string> numbers;
  for (const auto& range : message.reserved_range()) {
    const int last = range.end() - 1;
    numbers.push_back(last == range.start()
                          ? absl::StrCat(last)
                          : absl::StrCat(range.start(), " to ", last));
  }
  if (!numbers.empty()) {
    absl::StrAppend(out, "  // Of fields that there were once.\n  reserved ",
                    absl::StrJoin(numbers, ", "), ";\n");
  }
  if (message.reserved_name_size() > 0) {
    absl::StrAppend(out, "  reserved \"",
                    absl::StrJoin(message.reserved_name(), "\", \""), "\";\n");
  }
  if (!numbers.empty()) out->push_back('\n');
}

std::string TypeText(FieldType type, const FieldDescriptorProto& field) {
  switch (field.type()) {
    case FieldDescriptorProto::TYPE_INT64:
      return "optional int64";
    case FieldDescriptorProto::TYPE_DOUBLE:
      return "optional double";
    case FieldDescriptorProto::TYPE_BOOL:
      return "optional bool";
    case FieldDescriptorProto::TYPE_BYTES:
      return "optional bytes";
    case FieldDescriptorProto::TYPE_MESSAGE:
      return type == FieldType::kStrings ? "Strings"
                                         : "google.protobuf.Timestamp";
    default:
      return "optional string";
  }
}

std::string WriteSource(const CollectionSpec& spec, const TypedLayout& layout,
                        const FileDescriptorProto& file) {
  const DescriptorProto& message = file.message_type(0);
  std::string out;
  AppendComment("",
                absl::StrCat("A record of the collection `", spec.name,
                             "`, as `typed` bodies carry it."),
                &out);
  AppendComment("",
                "Written by `engramctl schema proto`. Write it again when the "
                "schema changes: fields keep their numbers for good.",
                &out);
  absl::StrAppend(&out, "\nsyntax = \"proto3\";\n\npackage ", kPackage, ";\n");
  for (const std::string& import : file.dependency()) {
    absl::StrAppend(&out, "\nimport \"", import, "\";\n");
  }
  absl::StrAppend(&out, "\n");
  AppendComment("",
                "Holds a record's fields. One that is not set is not sent; to "
                "clear one, name it in the update mask.",
                &out);
  absl::StrAppend(&out, "message ", message.name(), " {\n");
  AppendReserved(message, &out);
  if (message.nested_type_size() > 0) {
    absl::StrAppend(&out,
                    "  // Holds a list, so that an empty one differs from "
                    "none.\n"
                    "  message Strings {\n"
                    "    // The elements.\n"
                    "    repeated string values = 1;\n"
                    "  }\n\n");
  }
  const std::vector<int> places = ByNumber(layout);
  for (int i = 0; i < message.field_size(); ++i) {
    const FieldDescriptorProto& field = message.field(i);
    const FieldSpec& declared = spec.fields[places[i]];
    AppendComment("  ", DescribeField(declared, field.name()), &out);
    absl::StrAppend(&out, "  ", TypeText(declared.type, field), " ",
                    field.name(), " = ", field.number(), ";\n");
  }
  absl::StrAppend(&out, "}\n");
  return out;
}

}  // namespace

TypedSchema DescribeTyped(const CollectionSpec& spec,
                          const TypedLayout& layout) {
  TypedSchema schema;
  schema.file = MakeFile(spec, layout);
  schema.message =
      absl::StrCat(kPackage, ".", schema.file.message_type(0).name());
  schema.source = WriteSource(spec, layout, schema.file);
  return schema;
}

FileDescriptorProto TimestampFile() {
  FileDescriptorProto file;
  google::protobuf::Timestamp::descriptor()->file()->CopyTo(&file);
  return file;
}

std::string MessageName(absl::string_view collection) {
  std::string name;
  bool begins = true;
  for (size_t i = 0; i < collection.size(); ++i) {
    const char c = collection[i];
    if (c == '_' && i + 1 < collection.size() &&
        absl::ascii_isalpha(collection[i + 1])) {
      begins = true;
      continue;
    }
    name.push_back(begins ? absl::ascii_toupper(c) : c);
    begins = false;
  }
  return name;
}

absl::StatusOr<int> NextFieldNumber(const TypedLayout& layout) {
  int last = 0;
  for (const int number : layout.numbers) last = std::max(last, number);
  for (const DroppedField& field : layout.dropped) {
    last = std::max(last, field.number);
  }
  if (last == kLargestNumber) {
    return absl::ResourceExhaustedError(
        "has had as many fields as a protobuf message can have; copy it into a "
        "new collection");
  }
  const int next = last + 1;
  if (next < kFirstKeptByProtobuf || next > kLastKeptByProtobuf) return next;
  return kLastKeptByProtobuf + 1;
}

}  // namespace engram::schema
