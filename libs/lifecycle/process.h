#ifndef ENGRAM_LIBS_LIFECYCLE_PROCESS_H_
#define ENGRAM_LIBS_LIFECYCLE_PROCESS_H_

namespace engram::lifecycle {

// Sets up the libraries of a process that serves; call it before any other
// thread is started.
void ConfigureProcess();

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_PROCESS_H_
