#ifndef ENGRAM_SERVICES_STORAGE_TESTING_TEXT_CORPUS_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_TEXT_CORPUS_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage::testing {

// The same few records in a collection for each tokenizer, some of them deleted
// or expired, and what must hold of every query over them.
class TextCorpus {
 public:
  // Aborts if it cannot be made.
  TextCorpus();
  ~TextCorpus();

  // Searches each collection for any bytes: that must succeed, find what a
  // plain evaluation of the query finds, in order, page by page too, and cut
  // out passages that are there. The error says what was broken.
  absl::Status Check(absl::string_view query);

  TestDatabase& database() { return database_; }

 private:
  struct Tokenized;

  absl::Status CheckCollection(Tokenized& collection, absl::string_view query);
  std::set<std::string> Expected(Tokenized& collection,
                                 absl::string_view query);

  TestDatabase database_;
  std::vector<std::unique_ptr<Tokenized>> collections_;
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_TEXT_CORPUS_H_
