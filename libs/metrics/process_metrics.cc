#include "libs/metrics/process_metrics.h"

#include <prometheus/metric_family.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace engram::metrics {
namespace {

prometheus::MetricFamily Single(const char* name, const char* help,
                                prometheus::MetricType type, double value) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  family.metric.push_back(metric);
  return family;
}

// The fields of /proc/self/stat after the command's name, which is in
// parentheses and may hold anything: the first of them is field 3 of proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream fields(text.substr(end + 1));
  return {std::istream_iterator<std::string>(fields), {}};
}

double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  std::string key;
  double value = 0;
  while (file >> key) {
    if (key == "btime" && file >> value) return value;
    std::getline(file, key);
  }
  return 0;
}

double OpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator files("/proc/self/fd", error);
  return error ? 0
               : static_cast<double>(std::distance(begin(files), end(files)));
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  using prometheus::MetricType;
  const std::vector<std::string> stat = StatFields();
  // Numbers as in proc(5), counted from field 3: utime 14, stime 15,
  // starttime 22, vsize 23, rss 24.
  const auto field = [&](size_t number) {
    return number - 3 < stat.size() ? std::stod(stat[number - 3]) : 0.0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto page_size = static_cast<double>(sysconf(_SC_PAGESIZE));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {
      Single("process_cpu_seconds_total", "User and system CPU time.",
             MetricType::Counter, (field(14) + field(15)) / ticks),
      Single("process_resident_memory_bytes", "Resident memory.",
             MetricType::Gauge, field(24) * page_size),
      Single("process_virtual_memory_bytes", "Virtual memory.",
             MetricType::Gauge, field(23)),
      Single("process_start_time_seconds",
             "Start of the process, in seconds since the Unix epoch.",
             MetricType::Gauge, BootTimeSeconds() + field(22) / ticks),
      Single("process_open_fds", "Open file descriptors.", MetricType::Gauge,
             OpenFiles()),
      Single("process_max_fds", "Most file descriptors that may be open.",
             MetricType::Gauge, static_cast<double>(limit.rlim_cur)),
  };
}

}  // namespace engram::metrics
