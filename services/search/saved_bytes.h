#ifndef ENGRAM_SERVICES_SEARCH_SAVED_BYTES_H_
#define ENGRAM_SERVICES_SEARCH_SAVED_BYTES_H_

#include <memory>
#include <string>

namespace engram::search {

// The files that a MappedBytes was saved in.
struct SavedBytes {
  // Of the save that first had this base, which does not change.
  std::string base_path;
  // Of the last save: what is different since.
  std::string changes_path;
  // What is in the base, to be told from another.
  std::weak_ptr<const void> base;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SAVED_BYTES_H_
