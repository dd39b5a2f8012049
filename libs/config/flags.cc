#include "libs/config/flags.h"

#include <yaml-cpp/yaml.h>

#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/status/status_macros.h"

#ifndef ENGRAM_VERSION
#error "the build defines ENGRAM_VERSION"
#endif

namespace engram::config {
namespace {

std::string FlagName(absl::string_view name) {
  return absl::StrCat("--", name);
}

std::string EnvironmentName(absl::string_view name) {
  return absl::StrCat("ENGRAM_", absl::AsciiStrToUpper(
                                     absl::StrReplaceAll(name, {{"-", "_"}})));
}

}  // namespace

Flags::Flags(absl::string_view program, absl::string_view description)
    : app_(std::string(description), std::string(program)) {
  app_.get_formatter()->column_width(34);
  app_.add_option("--config", config_path_,
                  "YAML file of settings, named like the flags; flags and "
                  "environment (ENGRAM_...) come first")
      ->envname("ENGRAM_CONFIG");
  app_.add_flag("--check-config", check_config_,
                "print the settings that would be used, and exit");
  app_.set_version_flag("--version", absl::StrCat(program, " " ENGRAM_VERSION));
}

CLI::Option* Flags::Register(absl::string_view name, CLI::Option* option) {
  option->envname(EnvironmentName(name));
  names_.emplace_back(name);
  options_[std::string(name)] = option;
  return option;
}

void Flags::Add(absl::string_view name, std::string* member,
                absl::string_view help) {
  Register(name, app_.add_option(FlagName(name), *member, std::string(help))
                     ->capture_default_str());
  values_[std::string(name)] = [member] {
    return YAML::Dump(YAML::Node(*member));
  };
}

void Flags::Add(absl::string_view name, int* member, absl::string_view help) {
  Register(name, app_.add_option(FlagName(name), *member, std::string(help))
                     ->capture_default_str());
  values_[std::string(name)] = [member] { return absl::StrCat(*member); };
}

void Flags::Add(absl::string_view name, int64_t* member,
                absl::string_view help) {
  Register(name, app_.add_option(FlagName(name), *member, std::string(help))
                     ->capture_default_str());
  values_[std::string(name)] = [member] { return absl::StrCat(*member); };
}

void Flags::Add(absl::string_view name, double* member,
                absl::string_view help) {
  Register(name, app_.add_option(FlagName(name), *member, std::string(help))
                     ->capture_default_str());
  values_[std::string(name)] = [member] { return absl::StrCat(*member); };
}

void Flags::Add(absl::string_view name, bool* member, absl::string_view help) {
  Register(name, app_.add_flag(FlagName(name), *member, std::string(help)));
  values_[std::string(name)] = [member] { return *member ? "true" : "false"; };
}

void Flags::Add(absl::string_view name, absl::Duration* member,
                absl::string_view help) {
  auto* option = app_.add_option_function<std::string>(
      FlagName(name),
      [member, name = std::string(name)](const std::string& text) {
        if (!absl::ParseDuration(text, member) ||
            *member < absl::ZeroDuration()) {
          throw CLI::ValidationError(
              FlagName(name),
              absl::StrCat("\"", text,
                           "\" is no duration; write 500ms, 10s "
                           "or 1h30m"));
        }
      },
      std::string(help));
  option->type_name("DURATION")->default_str(absl::FormatDuration(*member));
  Register(name, option);
  values_[std::string(name)] = [member] {
    return absl::FormatDuration(*member);
  };
}

void Flags::Report(std::function<std::string()> report) {
  reports_.push_back(std::move(report));
}

std::optional<int> Flags::Parse(int argc, const char* const* argv,
                                const std::function<absl::Status()>& validate) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app_.exit(error);
  }
  absl::Status status =
      config_path_.empty() ? absl::OkStatus() : ReadFile(config_path_);
  if (status.ok()) status = validate();
  if (!status.ok()) {
    std::cerr << app_.get_name() << ": " << status.message() << "\n";
    return 2;
  }
  if (!check_config_) return std::nullopt;
  std::cout << ToYaml();
  for (const auto& report : reports_) std::cout << report();
  return 0;
}

absl::Status Flags::ReadFile(const std::string& path) {
  try {
    const YAML::Node document = YAML::LoadFile(path);
    if (document.IsNull()) return absl::OkStatus();
    if (!document.IsMap()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": not a map of settings; write `name: value`"));
    }
    for (const auto& entry : document) {
      const int line = entry.first.Mark().line + 1;
      RETURN_IF_ERROR(ApplySetting(path, line, entry.first.as<std::string>(),
                                   entry.second.as<std::string>()));
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return absl::OkStatus();
}

absl::Status Flags::ApplySetting(const std::string& path, int line,
                                 const std::string& name,
                                 const std::string& value) {
  const auto found = options_.find(name);
  if (found == options_.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", line, ": unknown setting \"", name,
                     "\"; --check-config lists those there are"));
  }
  CLI::Option* option = found->second;
  if (option->count() > 0) return absl::OkStatus();
  try {
    option->add_result(value);
    option->run_callback();
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", line, ": ", error.what()));
  }
  return absl::OkStatus();
}

std::string Flags::ToYaml() const {
  std::string yaml;
  for (const std::string& name : names_) {
    absl::StrAppend(&yaml, name, ": ", values_.at(name)(), "\n");
  }
  return yaml;
}

}  // namespace engram::config
