// Breaks the rules of a collection one by one, as its schema declares them, so
// that a test forgets none.

#ifndef ENGRAM_TESTS_SYSTEMS_RULE_BREAKER_H_
#define ENGRAM_TESTS_SYSTEMS_RULE_BREAKER_H_

#include <functional>
#include <string>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "libs/schema/collection_spec.h"
#include "tests/systems/system.h"

namespace engram::systems {

// A change of a record that keeps every rule, after which it breaks one.
struct Breach {
  // The rule, for messages.
  std::string rule;
  std::string field;
  // What `field` becomes; null leaves it out.
  google::protobuf::Value value;
};

// A breach of each rule that a value can break by itself: type, required,
// one_of, min, max, max_length, pattern, and that generated, extracted and
// rolled-up fields cannot be sent.
std::vector<Breach> BreachesOf(
    const schema::CollectionSpec& spec,
    const std::function<bool(const std::string& field)>& is_rolled_up);

// Another value that keeps the field's rules.
google::protobuf::Value AnotherValue(const schema::FieldSpec& field,
                                     const google::protobuf::Value& value);

// Whether a record may be sent with the field.
bool CanBeSent(const System& system, const schema::CollectionSpec& spec,
               const schema::FieldSpec& field);

// Sets a field; null leaves it out.
void SetField(const std::string& field, const google::protobuf::Value& value,
              google::protobuf::Struct& fields);

}  // namespace engram::systems

#endif  // ENGRAM_TESTS_SYSTEMS_RULE_BREAKER_H_
