#ifndef ENGRAM_LIBS_SQLITE_MEMORY_BUDGET_H_
#define ENGRAM_LIBS_SQLITE_MEMORY_BUDGET_H_

#include <cstdint>

namespace engram::sqlite {

// Bounds the memory that SQLite takes in this thread while the object exists.
// Beyond it allocations fail, and what SQLite was doing ends with SQLITE_NOMEM,
// cleanly: a statement needs no function that is careful with memory, and one
// that its compilation blows up is ended too. One at a time in a thread.
//
// What is allocated in the scope should be freed in it.
class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t bytes);
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
};

// Has SQLite allocate through what counts. To be called before SQLite's first
// use in the process; later it does nothing, and budgets bound nothing.
void InstallMemoryBudgets();

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_MEMORY_BUDGET_H_
