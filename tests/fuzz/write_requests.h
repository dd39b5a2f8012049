#ifndef ENGRAM_TESTS_FUZZ_WRITE_REQUESTS_H_
#define ENGRAM_TESTS_FUZZ_WRITE_REQUESTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/struct.pb.h"
#include "tests/fuzz/choices.h"

namespace engram::fuzz {

struct FieldChoice;

// Makes requests of choices, for the collections of write_fuzzer.cc: mostly of
// names and values that mean something there, for random ones would be refused
// at the door.
class Requests {
 public:
  // `choices` must outlive this object.
  explicit Requests(Choices& choices) : choices_(choices) {}
  storage::v1::WriteRequest Write();
  storage::v1::UpdateWhereRequest UpdateWhere();
  storage::v1::DeleteWhereRequest DeleteWhere();

 private:
  // The collection of the present item.
  std::string Collection();
  // One of the collection's fields; seldom another's, or none at all.
  FieldChoice Field();
  std::string FieldName();
  std::string Id();
  void Item(storage::v1::WriteItem& item);
  void Record(storage::v1::Record& record);
  void Fields(google::protobuf::Struct& fields);
  void FieldValue(google::protobuf::Struct& fields, const FieldChoice& field);
  void Value(google::protobuf::Value& value, int depth);
  void Transform(storage::v1::Transform& transform);
  std::string Filter(google::protobuf::Struct& parameters);
  // A string that some field could have.
  std::string Text();

  Choices& choices_;
  // Of the present item.
  absl::string_view collection_;
};

}  // namespace engram::fuzz

#endif  // ENGRAM_TESTS_FUZZ_WRITE_REQUESTS_H_
