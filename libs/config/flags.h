#ifndef ENGRAM_LIBS_CONFIG_FLAGS_H_
#define ENGRAM_LIBS_CONFIG_FLAGS_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace engram::config {

// The settings of a server: each is a flag, an environment variable and a key
// of a YAML file, and the first of these that is given wins. For a setting
// `data-dir` these are `--data-dir`, `ENGRAM_DATA_DIR` and `data-dir:`.
//
// The value that a member has when it is added is the default.
class Flags {
 public:
  // `program` and `description` head the help text.
  Flags(absl::string_view program, absl::string_view description);

  // Declares a setting. `name` is in kebab-case and unique; `help` gives
  // meaning, unit, and what gets worse when it is raised. `member` must
  // outlive Parse.
  void Add(absl::string_view name, std::string* member, absl::string_view help);
  void Add(absl::string_view name, int* member, absl::string_view help);
  void Add(absl::string_view name, int64_t* member, absl::string_view help);
  void Add(absl::string_view name, double* member, absl::string_view help);
  void Add(absl::string_view name, bool* member, absl::string_view help);
  // Durations are written as `500ms`, `10s` or `1h30m`.
  void Add(absl::string_view name, absl::Duration* member,
           absl::string_view help);

  // Has --check-config print what `report` returns behind the settings: whole
  // lines that are comments in YAML, and no secrets. `report` is called after
  // `validate` of Parse has returned OK.
  void Report(std::function<std::string()> report);

  // Reads flags, environment and file into the members, then calls `validate`.
  //
  // Returns nothing if the program should run, and its exit code if it should
  // not: after --help, --version and --check-config, which print, and after a
  // mistake, which is explained on standard error.
  std::optional<int> Parse(int argc, const char* const* argv,
                           const std::function<absl::Status()>& validate);

  // Returns every setting with its value, as YAML that --config accepts.
  std::string ToYaml() const;

 private:
  CLI::Option* Register(absl::string_view name, CLI::Option* option);
  // Applies the file's settings to those not given by flag or environment.
  absl::Status ReadFile(const std::string& path);
  absl::Status ApplySetting(const std::string& path, int line,
                            const std::string& name, const std::string& value);

  CLI::App app_;
  std::string config_path_;
  bool check_config_ = false;
  // In the order of declaration.
  std::vector<std::string> names_;
  std::map<std::string, CLI::Option*> options_;
  std::map<std::string, std::function<std::string()>> values_;
  std::vector<std::function<std::string()>> reports_;
};

}  // namespace engram::config

#endif  // ENGRAM_LIBS_CONFIG_FLAGS_H_
