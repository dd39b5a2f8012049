#ifndef ENGRAM_SERVICES_SEARCH_PASSAGE_READER_H_
#define ENGRAM_SERVICES_SEARCH_PASSAGE_READER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/search_backend.h"

namespace engram::search {

// Whose vectors were searched, and when.
struct PassageSource {
  std::string database;
  std::string collection;
  // Empty for the only one.
  std::string vector_field;
  int64_t generation = 0;
  // Of the index. Which text a vector of then was made of is known as long as
  // storage has put no other in its place since.
  std::string position;
};

// Asks storage for the texts that `hits` were found by, and sets those that it
// knows. `hits` must live until `done` is called, once.
void ReadPassages(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
                  const PassageSource& source, std::vector<v1::Hit*> hits,
                  absl::AnyInvocable<void(const absl::Status&)> done);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_PASSAGE_READER_H_
