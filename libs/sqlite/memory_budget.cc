#include "libs/sqlite/memory_budget.h"

#include <sqlite3.h>

#include <limits>

namespace engram::sqlite {
namespace {

constexpr int64_t kNoBound = std::numeric_limits<int64_t>::max();

// What this thread may still take.
thread_local int64_t left = kNoBound;

// SQLite's own allocator; written once, before SQLite's first use.
sqlite3_mem_methods real;

void* Allocate(int bytes) {
  if (left == kNoBound) return real.xMalloc(bytes);
  if (bytes > left) return nullptr;
  void* const memory = real.xMalloc(bytes);
  if (memory != nullptr) left -= real.xSize(memory);
  return memory;
}

void Free(void* memory) {
  if (left != kNoBound && memory != nullptr) left += real.xSize(memory);
  real.xFree(memory);
}

void* Resize(void* memory, int bytes) {
  if (left == kNoBound) return real.xRealloc(memory, bytes);
  const int before = real.xSize(memory);
  if (bytes - before > left) return nullptr;
  void* const resized = real.xRealloc(memory, bytes);
  if (resized != nullptr) left -= real.xSize(resized) - before;
  return resized;
}

}  // namespace

MemoryBudget::MemoryBudget(int64_t bytes) { left = bytes; }

MemoryBudget::~MemoryBudget() { left = kNoBound; }

void InstallMemoryBudgets() {
  if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) return;
  sqlite3_mem_methods counting = real;
  counting.xMalloc = Allocate;
  counting.xFree = Free;
  counting.xRealloc = Resize;
  sqlite3_config(SQLITE_CONFIG_MALLOC, &counting);
}

}  // namespace engram::sqlite
