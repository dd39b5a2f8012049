#ifndef ENGRAM_LIBS_SQLITE_TEMP_SPACE_H_
#define ENGRAM_LIBS_SQLITE_TEMP_SPACE_H_

#include <cstdint>

namespace engram::sqlite {

// Returns the name of a VFS for sqlite3_open_v2: the system's, but for a bound
// on what its temporary files, of all connections together, hold. What goes
// beyond it ends with SQLITE_FULL. Thread-safe.
const char* BoundedTempSpaceVfs();

// Sets the bound; kDefaultTempSpaceBytes to begin with. What is used already
// stays.
void LimitTempSpace(int64_t bytes);
inline constexpr int64_t kDefaultTempSpaceBytes = int64_t{512} << 20;

// What the temporary files hold now.
int64_t UsedTempSpace();

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_TEMP_SPACE_H_
