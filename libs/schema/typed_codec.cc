#include "libs/schema/typed_codec.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"

namespace engram::schema {
namespace {

// How a value lies on the wire; the two that made groups are no more.
enum class WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kFixed32 = 5,
};

constexpr uint32_t kWireTypeBits = 3;
constexpr int kMaxVarintBytes = 10;
constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
constexpr int64_t kNanosecondsPerMicrosecond = 1'000;
// The fields of google.protobuf.Timestamp, and of our list of strings.
constexpr int kSecondsNumber = 1;
constexpr int kNanosNumber = 2;
constexpr int kValuesNumber = 1;

absl::Status Problem(absl::string_view text) {
  return absl::InvalidArgumentError(text);
}

WireType WireTypeOf(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kBool:
      return WireType::kVarint;
    case FieldType::kDouble:
      return WireType::kFixed64;
    default:
      return WireType::kBytes;
  }
}

absl::string_view WireTypeName(WireType type) {
  switch (type) {
    case WireType::kVarint:
      return "a varint";
    case WireType::kFixed64:
      return "8 bytes";
    case WireType::kBytes:
      return "bytes with a length";
    case WireType::kFixed32:
      return "4 bytes";
  }
  return "";
}

// One field as it lies on the wire: its number and, by its wire type, its bits
// or its bytes.
struct WireField {
  int number = 0;
  WireType type = WireType::kVarint;
  uint64_t bits = 0;
  absl::string_view bytes;
};

// Walks over the fields of a message.
class WireReader {
 public:
  explicit WireReader(absl::string_view bytes)
      : position_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool AtEnd() const { return position_ == end_; }

  // Reads the next field. False if the bytes are no message; `problem` says
  // why.
  bool Next(WireField* field) {
    uint64_t tag = 0;
    if (!ReadVarint(&tag)) return false;
    const uint64_t number = tag >> kWireTypeBits;
    if (number == 0 || number > (1 << 29) - 1) {
      return Fail("holds a field number that protobuf does not have");
    }
    field->number = static_cast<int>(number);
    switch (tag & ((1 << kWireTypeBits) - 1)) {
      case uint32_t(WireType::kVarint):
        field->type = WireType::kVarint;
        return ReadVarint(&field->bits);
      case uint32_t(WireType::kFixed64):
        field->type = WireType::kFixed64;
        return ReadFixed(8, &field->bits);
      case uint32_t(WireType::kFixed32):
        field->type = WireType::kFixed32;
        return ReadFixed(4, &field->bits);
      case uint32_t(WireType::kBytes): {
        field->type = WireType::kBytes;
        uint64_t size = 0;
        if (!ReadVarint(&size)) return false;
        if (size > static_cast<uint64_t>(end_ - position_)) return Ended();
        field->bytes = absl::string_view(position_, size);
        position_ += size;
        return true;
      }
      default:
        return Fail(
            "holds a group, or a wire type that protobuf does not have");
    }
  }

  absl::string_view problem() const { return problem_; }

 private:
  bool Fail(absl::string_view problem) {
    problem_ = problem;
    return false;
  }

  bool Ended() { return Fail("ends in the middle of a field"); }

  bool ReadVarint(uint64_t* value) {
    uint64_t result = 0;
    for (int i = 0; i < kMaxVarintBytes; ++i) {
      if (position_ == end_) return Ended();
      const auto byte = static_cast<uint8_t>(*position_++);
      result |= uint64_t{byte & 0x7Fu} << (7 * i);
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return Fail("holds a varint of more than 10 bytes");
  }

  bool ReadFixed(int size, uint64_t* value) {
    if (end_ - position_ < size) return Ended();
    *value = 0;
    for (int i = 0; i < size; ++i) {  // Little-endian, whatever we run on.
      *value |= uint64_t{static_cast<uint8_t>(*position_++)} << (8 * i);
    }
    return true;
  }

  const char* position_;
  const char* end_;
  absl::string_view problem_;
};

json::Parser& JsonParser() {
  thread_local json::Parser parser;
  return parser;
}

absl::StatusOr<FieldValue> DecodeTimestamp(absl::string_view bytes) {
  WireReader reader(bytes);
  WireField field;
  int64_t seconds = 0;
  int64_t nanos = 0;
  while (!reader.AtEnd()) {
    if (!reader.Next(&field)) {
      return Problem(absl::StrCat("holds a google.protobuf.Timestamp that ",
                                  reader.problem()));
    }
    if (field.type != WireType::kVarint ||
        (field.number != kSecondsNumber && field.number != kNanosNumber)) {
      return Problem("wants a google.protobuf.Timestamp; got another message");
    }
    (field.number == kSecondsNumber ? seconds : nanos) =
        static_cast<int64_t>(field.bits);
  }
  if (nanos < 0 || nanos > 999'999'999) {
    return Problem("is a timestamp whose nanos are not 0 to 999999999");
  }
  // Before the product, which could overflow.
  if (seconds < kMinTimestamp / kMicrosecondsPerSecond ||
      seconds > kMaxTimestamp / kMicrosecondsPerSecond) {
    return Problem("is a timestamp outside the years 1 to 9999");
  }
  return FieldValue(seconds * kMicrosecondsPerSecond +
                    nanos / kNanosecondsPerMicrosecond);
}

absl::StatusOr<FieldValue> DecodeStrings(absl::string_view bytes) {
  WireReader reader(bytes);
  WireField field;
  std::string text = "[";
  for (int element = 0; !reader.AtEnd(); ++element) {
    if (!reader.Next(&field)) {
      return Problem(absl::StrCat("holds a list that ", reader.problem()));
    }
    if (field.type != WireType::kBytes || field.number != kValuesNumber) {
      return Problem("wants a list of strings; got another message");
    }
    const absl::Status status = CheckText(field.bytes);
    if (!status.ok()) {
      return Problem(
          absl::StrCat("has an element ", element, " that ", status.message()));
    }
    if (element > 0) text.push_back(',');
    json::AppendQuoted(field.bytes, &text);
  }
  text.push_back(']');
  return FieldValue(std::move(text));
}

absl::StatusOr<FieldValue> DecodeJson(absl::string_view bytes) {
  std::string text;
  const absl::Status status = JsonParser().AppendCanonical(bytes, &text);
  if (!status.ok()) {
    return Problem(
        absl::StrCat("wants JSON text; what it got ", status.message()));
  }
  // As with Struct, null is no value.
  if (text == "null") return FieldValue();
  return FieldValue(std::move(text));
}

absl::StatusOr<FieldValue> DecodeField(FieldType type, const WireField& field) {
  if (field.type != WireTypeOf(type)) {
    return Problem(absl::StrCat("wants ", WireTypeName(WireTypeOf(type)),
                                " on the wire, as ", FieldTypeName(type),
                                " has; got ", WireTypeName(field.type)));
  }
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
      RETURN_IF_ERROR(CheckText(field.bytes));
      return FieldValue(std::string(field.bytes));
    case FieldType::kInt:
      return FieldValue(static_cast<int64_t>(field.bits));
    case FieldType::kDouble: {
      double number = 0;
      static_assert(sizeof(number) == sizeof(field.bits));
      std::memcpy(&number, &field.bits, sizeof(number));
      if (!std::isfinite(number)) return Problem("is not a finite number");
      return FieldValue(number);
    }
    case FieldType::kBool:
      if (field.bits > 1) return Problem("wants true or false; got a number");
      return FieldValue(static_cast<int64_t>(field.bits));
    case FieldType::kTimestamp:
      return DecodeTimestamp(field.bytes);
    case FieldType::kJson:
      return DecodeJson(field.bytes);
    case FieldType::kBytes:
      return FieldValue(Blob{std::string(field.bytes)});
    case FieldType::kStrings:
      return DecodeStrings(field.bytes);
  }
  return absl::InternalError("a field of no type");
}

bool WasDropped(const TypedLayout& layout, int number) {
  const auto at =
      std::lower_bound(layout.dropped.begin(), layout.dropped.end(), number,
                       [](const DroppedField& field, int wanted) {
                         return field.number < wanted;
                       });
  return at != layout.dropped.end() && at->number == number;
}

absl::Status WrongColumn(FieldType type) {
  return absl::DataLossError(
      absl::StrCat("a column holds what is no ", FieldTypeName(type)));
}

void AppendVarint(uint64_t value, std::string* bytes) {
  while (value >= 0x80) {
    bytes->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes->push_back(static_cast<char>(value));
}

void AppendTag(int number, WireType type, std::string* bytes) {
  AppendVarint(static_cast<uint64_t>(number) << kWireTypeBits |
                   static_cast<uint32_t>(type),
               bytes);
}

void AppendBytes(int number, absl::string_view value, std::string* bytes) {
  AppendTag(number, WireType::kBytes, bytes);
  AppendVarint(value.size(), bytes);
  bytes->append(value.data(), value.size());
}

void AppendTimestamp(int number, int64_t microseconds, std::string* bytes) {
  // Nanos count forward from the second at or before.
  int64_t seconds = microseconds / kMicrosecondsPerSecond;
  int64_t rest = microseconds % kMicrosecondsPerSecond;
  if (rest < 0) {
    rest += kMicrosecondsPerSecond;
    --seconds;
  }
  std::string message;
  if (seconds != 0) {
    AppendTag(kSecondsNumber, WireType::kVarint, &message);
    AppendVarint(static_cast<uint64_t>(seconds), &message);
  }
  if (rest != 0) {
    AppendTag(kNanosNumber, WireType::kVarint, &message);
    AppendVarint(static_cast<uint64_t>(rest * kNanosecondsPerMicrosecond),
                 &message);
  }
  AppendBytes(number, message, bytes);
}

absl::Status AppendInteger(FieldType type, int number, int64_t value,
                           std::string* bytes) {
  switch (type) {
    case FieldType::kBool:
      if (value != 0 && value != 1) return WrongColumn(type);
      break;
    case FieldType::kInt:
      break;
    case FieldType::kTimestamp:
      if (value < kMinTimestamp || value > kMaxTimestamp) {
        return WrongColumn(type);
      }
      AppendTimestamp(number, value, bytes);
      return absl::OkStatus();
    default:
      return WrongColumn(type);
  }
  AppendTag(number, WireType::kVarint, bytes);
  AppendVarint(static_cast<uint64_t>(value), bytes);
  return absl::OkStatus();
}

// Turns the JSON array that a column holds into the wrapper message.
absl::Status AppendStrings(int number, absl::string_view text,
                           std::string* bytes) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::array elements;
  if (parser.parse(text.data(), text.size()).get(elements) !=
      simdjson::SUCCESS) {
    return WrongColumn(FieldType::kStrings);
  }
  std::string message;
  for (const simdjson::dom::element element : elements) {
    std::string_view value;
    if (element.get(value) != simdjson::SUCCESS) {
      return WrongColumn(FieldType::kStrings);
    }
    AppendBytes(kValuesNumber, absl::string_view(value.data(), value.size()),
                &message);
  }
  AppendBytes(number, message, bytes);
  return absl::OkStatus();
}

absl::Status AppendText(FieldType type, int number, absl::string_view text,
                        std::string* bytes) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
    case FieldType::kJson:
      // What is not UTF-8 would break the client that parses it.
      if (!simdjson::validate_utf8(text.data(), text.size()))
        return WrongColumn(type);
      AppendBytes(number, text, bytes);
      return absl::OkStatus();
    case FieldType::kStrings:
      return AppendStrings(number, text, bytes);
    default:
      return WrongColumn(type);
  }
}

struct Viewer {
  FieldView operator()(std::monostate) const { return std::monostate(); }
  FieldView operator()(int64_t value) const { return value; }
  FieldView operator()(double value) const { return value; }
  FieldView operator()(const std::string& value) const {
    return absl::string_view(value);
  }
  FieldView operator()(const Blob& value) const {
    return BlobView{value.bytes};
  }
};

FieldView ViewOf(const FieldValue& value) {
  return std::visit(Viewer(), value);
}

absl::Status AppendField(FieldType type, int number, const FieldView& value,
                         std::string* bytes) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return AppendInteger(type, number, *integer, bytes);
  }
  if (const auto* text = std::get_if<absl::string_view>(&value)) {
    return AppendText(type, number, *text, bytes);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    if (type != FieldType::kDouble || !std::isfinite(*real)) {
      return WrongColumn(type);
    }
    AppendTag(number, WireType::kFixed64, bytes);
    uint64_t bits = 0;
    std::memcpy(&bits, real, sizeof(bits));
    for (size_t i = 0; i < sizeof(bits); ++i) {
      bytes->push_back(static_cast<char>(bits >> (8 * i)));
    }
    return absl::OkStatus();
  }
  if (type != FieldType::kBytes) return WrongColumn(type);
  AppendBytes(number, std::get<BlobView>(value).bytes, bytes);
  return absl::OkStatus();
}

}  // namespace

absl::Status DecodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::string_view bytes, TypedField field) {
  WireReader reader(bytes);
  WireField read;
  const std::vector<int>& numbers = layout.numbers;
  // Clients send fields by number, which is mostly the order of the schema: so
  // the next is tried before all are looked through.
  size_t next = 0;
  while (!reader.AtEnd()) {
    if (!reader.Next(&read)) return Problem(reader.problem());
    if (next >= numbers.size() || numbers[next] != read.number) {
      next = std::find(numbers.begin(), numbers.end(), read.number) -
             numbers.begin();
    }
    if (next < numbers.size()) {
      field(static_cast<int>(next), DecodeField(spec.fields[next].type, read));
      ++next;
    } else if (!WasDropped(layout, read.number)) {
      return Problem(absl::StrCat(
          "holds a field ", read.number,
          ", which the collection never had; compile the client with what "
          "GetDescriptors returns"));
    }
  }
  return absl::OkStatus();
}

absl::Status EncodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::Span<const int> places,
                         absl::Span<const FieldValue> values,
                         std::string* bytes) {
  std::vector<FieldView> views;
  views.reserve(values.size());
  for (const FieldValue& value : values) views.push_back(ViewOf(value));
  return EncodeTyped(spec, layout, places, views, bytes);
}

absl::Status EncodeTyped(const CollectionSpec& spec, const TypedLayout& layout,
                         absl::Span<const int> places,
                         absl::Span<const FieldView> values,
                         std::string* bytes) {
  for (size_t i = 0; i < places.size(); ++i) {
    if (std::holds_alternative<std::monostate>(values[i])) continue;
    const int place = places[i];
    RETURN_IF_ERROR(AppendField(spec.fields[place].type, layout.numbers[place],
                                values[i], bytes));
  }
  return absl::OkStatus();
}

}  // namespace engram::schema
