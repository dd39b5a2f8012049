#ifndef ENGRAM_TESTS_E2E_PROCESS_H_
#define ENGRAM_TESTS_E2E_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace engram::e2e {

// A child process, killed when it goes out of scope.
class Process {
 public:
  // Starts build/<preset>/bin/<binary>, its standard error appended to the file
  // `log`, with `environment`, such as "NAME=value", beside that of the test.
  // The child dies with the test.
  Process(const std::string& binary, const std::vector<std::string>& arguments,
          const std::string& log,
          const std::vector<std::string>& environment = {});
  ~Process();

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Sends SIGKILL and waits for the end.
  void Kill();

  // Stands still, as if its machine had gone, until Resume.
  void Pause();
  void Resume();

  // Sends SIGTERM, waits for the end and returns the exit code, or minus the
  // number of the signal that ended it.
  int Terminate();

  // Waits for the end and returns as Terminate does.
  int Wait();

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// Returns a port of 127.0.0.1 that nobody listens on just now.
int FreePort();

}  // namespace engram::e2e

#endif  // ENGRAM_TESTS_E2E_PROCESS_H_
