#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "tools/engramctl/cli.h"
#include "tools/engramctl/console.h"

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  engram::engramctl::Console console{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .out_terminal = engram::engramctl::Terminal::Of(STDOUT_FILENO),
      .err_terminal = engram::engramctl::Terminal::Of(STDERR_FILENO)};
  return engram::engramctl::RunCommandLine(
      std::vector<std::string>(argv + 1, argv + argc), console);
}
