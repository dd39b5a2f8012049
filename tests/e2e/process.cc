#include "tests/e2e/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef ENGRAM_BIN_DIR
#error "the build defines ENGRAM_BIN_DIR"
#endif

namespace engram::e2e {

Process::Process(const std::string& binary,
                 const std::vector<std::string>& arguments,
                 const std::string& log,
                 const std::vector<std::string>& environment) {
  const std::string path = std::string(ENGRAM_BIN_DIR "/") + binary;
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  std::vector<char*> variables;
  variables.reserve(environment.size());
  for (const std::string& variable : environment) {
    variables.push_back(const_cast<char*>(variable.c_str()));
  }
  for (char** own = environ; *own != nullptr; ++own) variables.push_back(*own);
  variables.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    execve(path.c_str(), argv.data(), variables.data());
    _exit(127);
  }
  EXPECT_GT(pid_, 0);
}

Process::~Process() {
  if (pid_ > 0) Kill();
}

void Process::Kill() {
  kill(pid_, SIGKILL);
  Wait();
}

void Process::Pause() { kill(pid_, SIGSTOP); }

void Process::Resume() { kill(pid_, SIGCONT); }

int Process::Terminate() {
  kill(pid_, SIGTERM);
  return Wait();
}

int Process::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace engram::e2e
