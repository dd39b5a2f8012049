#include "services/storage/transform_decoder.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/schema/record_scope.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

using schema::FieldType;

absl::Status Problem(absl::string_view text) {
  return absl::InvalidArgumentError(text);
}

bool IsNumber(FieldType type) {
  return type == FieldType::kInt || type == FieldType::kDouble;
}

bool HasOrder(FieldType type) {
  return IsNumber(type) || type == FieldType::kTimestamp ||
         type == FieldType::kString || type == FieldType::kText;
}

bool HasElements(FieldType type) {
  return type == FieldType::kStrings || type == FieldType::kJson;
}

// OK if the field's type is one that the operation takes; `wanted` names them.
absl::Status CheckType(bool takes, FieldType type, absl::string_view wanted) {
  if (takes) return absl::OkStatus();
  return Problem(absl::StrCat("changes ", wanted, "; the field is of type ",
                              schema::FieldTypeName(type)));
}

// Reads one transform. Errors are clauses that follow the operation's path.
class TransformDecoder {
 public:
  TransformDecoder(const WritableCollection& target, ParametersOf parameters,
                   FieldTransform& transform)
      : target_(target),
        field_(target.field(transform.field)),
        parameters_(parameters),
        transform_(transform) {}

  absl::Status Decode(const v1::Transform& sent) {
    using Kind = FieldTransform::Kind;
    switch (sent.operation_case()) {
      case v1::Transform::kIncrement:
        RETURN_IF_ERROR(
            CheckType(IsNumber(field_.type), field_.type, "an int or double"));
        return DecodeOperand(Kind::kIncrement, sent.increment());
      case v1::Transform::kMax:
        RETURN_IF_ERROR(CheckOrder());
        return DecodeOperand(Kind::kMax, sent.max());
      case v1::Transform::kMin:
        RETURN_IF_ERROR(CheckOrder());
        return DecodeOperand(Kind::kMin, sent.min());
      case v1::Transform::kAppend:
        return DecodeAppend(sent.append());
      case v1::Transform::kRemove:
        transform_.kind = Kind::kRemove;
        return DecodeElements(sent.remove());
      case v1::Transform::kSetNow:
        transform_.kind = Kind::kSetNow;
        transform_.if_absent = sent.set_now().if_absent();
        return CheckType(field_.type == FieldType::kTimestamp, field_.type,
                         "a timestamp");
      case v1::Transform::kSetIfAbsent:
        RETURN_IF_ERROR(
            DecodeOperand(Kind::kSetIfAbsent, sent.set_if_absent()));
        return target_.CheckValue(transform_.field, transform_.value);
      case v1::Transform::kExpression:
        return DecodeExpression(sent.expression());
      case v1::Transform::OPERATION_NOT_SET:
        break;
    }
    return Problem(
        "has no operation; give increment, max, min, append, remove, set_now, "
        "set_if_absent or expression");
  }

 private:
  absl::Status CheckOrder() const {
    return CheckType(HasOrder(field_.type), field_.type,
                     "an int, double, timestamp or string");
  }

  absl::Status DecodeOperand(FieldTransform::Kind kind,
                             const google::protobuf::Value& sent) {
    transform_.kind = kind;
    ASSIGN_OR_RETURN(transform_.value, schema::DecodeValue(field_.type, sent));
    if (transform_.value.index() != 0) return absl::OkStatus();
    return Problem("is null; give it a value");
  }

  absl::Status DecodeAppend(const v1::AppendElements& sent) {
    transform_.kind = sent.unique() ? FieldTransform::Kind::kAppendUnique
                                    : FieldTransform::Kind::kAppend;
    if (sent.keep_last() < 0) {
      return Problem("has a keep_last below 0; 0 keeps all elements");
    }
    transform_.keep_last = sent.keep_last();
    return DecodeElements(sent.elements());
  }

  absl::Status DecodeElements(const google::protobuf::ListValue& sent) {
    RETURN_IF_ERROR(CheckType(HasElements(field_.type), field_.type,
                              "a strings field, or a json field that is a "
                              "list"));
    // As a whole, for the check that belongs to the field's type.
    google::protobuf::Value list;
    *list.mutable_list_value() = sent;
    RETURN_IF_ERROR(schema::DecodeValue(field_.type, list).status());
    transform_.elements.reserve(sent.values_size());
    for (const google::protobuf::Value& element : sent.values()) {
      json::AppendJson(element, &transform_.elements.emplace_back());
    }
    return absl::OkStatus();
  }

  absl::Status DecodeExpression(const std::string& text) {
    transform_.kind = FieldTransform::Kind::kExpression;
    ASSIGN_OR_RETURN(
        transform_.expression,
        filter::ParseExpression(text, schema::RecordScope(target_.spec()),
                                field_.type, parameters_(text)));
    return absl::OkStatus();
  }

  const WritableCollection& target_;
  const schema::FieldSpec& field_;
  const ParametersOf parameters_;
  FieldTransform& transform_;
};

// The name of the operation in a request; empty if there is none.
absl::string_view OperationName(const v1::Transform& sent) {
  const auto* oneof = v1::Transform::descriptor()->FindOneofByName("operation");
  const auto* field =
      sent.GetReflection()->GetOneofFieldDescriptor(sent, oneof);
  return field == nullptr ? absl::string_view() : field->name();
}

}  // namespace

void DecodeTransforms(
    const WritableCollection& target,
    const google::protobuf::RepeatedPtrField<v1::Transform>& transforms,
    ParametersOf parameters, RecordItem& item, FieldViolations& violations) {
  if (transforms.size() > kMaxTransforms) {
    violations.Add(item.PathOf("transforms"),
                   absl::StrCat("has ", transforms.size(), " entries; at most ",
                                kMaxTransforms, " are allowed"));
    return;
  }
  item.transforms.reserve(transforms.size());
  for (int i = 0; i < transforms.size(); ++i) {
    const v1::Transform& sent = transforms[i];
    const auto report = [&](absl::string_view part, absl::string_view problem) {
      violations.Add(item.PathOf(absl::StrCat("transforms[", i, "]",
                                              part.empty() ? "" : ".", part)),
                     problem);
    };
    const int place = target.spec().FieldIndex(sent.field());
    if (place < 0) {
      report("field",
             violations.full() ? "" : target.DescribeUnknown(sent.field()));
      continue;
    }
    absl::Status status = target.CheckWritable(place);
    if (!status.ok()) {
      report("field",
             absl::StrCat("\"", sent.field(), "\" ", status.message()));
      continue;
    }
    FieldTransform& transform = item.transforms.emplace_back();
    transform.field = place;
    status = TransformDecoder(target, parameters, transform).Decode(sent);
    if (!status.ok()) report(OperationName(sent), status.message());
  }
}

}  // namespace engram::storage
