#ifndef ENGRAM_SERVICES_SEARCH_TESTING_ATTRIBUTE_BUILDER_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_ATTRIBUTE_BUILDER_H_

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "engram/storage/v1/catalog.pb.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/collection_schema.h"

namespace engram::search::testing {

// A collection as the feed tells of it: with the schema that `yaml` declares,
// whose fields have the numbers of `numbers`, or else 1, 2, 3 ... in order.
inline storage::v1::Collection CollectionOf(
    const std::string& yaml, const std::map<std::string, int>& numbers = {},
    const std::string& name = "notes") {
  storage::v1::Collection collection;
  collection.set_name(name);
  collection.set_schema(yaml);
  const auto spec = schema::ParseCollection(name, yaml);
  EXPECT_OK(spec);
  if (!spec.ok()) return collection;
  int next = 0;
  for (const schema::FieldSpec& declared : spec->fields) {
    storage::v1::Field& field = *collection.add_fields();
    field.set_name(declared.name);
    const auto number = numbers.find(declared.name);
    ++next;
    field.set_number(number == numbers.end() ? next : number->second);
  }
  return collection;
}

// The held fields of a record, as storage encodes them.
inline std::string FieldsOf(
    const CollectionSchema& schema,
    const std::map<std::string, schema::FieldValue>& values) {
  std::string bytes;
  for (const int place : schema.held) {
    const auto value = values.find(schema.spec.fields[place].name);
    if (value == values.end()) continue;
    EXPECT_OK(schema::EncodeTyped(schema.spec, schema.layout, {place},
                                  {value->second}, &bytes));
  }
  return bytes;
}

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_ATTRIBUTE_BUILDER_H_
