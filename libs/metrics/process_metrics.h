#ifndef ENGRAM_LIBS_METRICS_PROCESS_METRICS_H_
#define ENGRAM_LIBS_METRICS_PROCESS_METRICS_H_

#include <prometheus/collectable.h>

#include <vector>

namespace engram::metrics {

// The `process_*` metrics that Prometheus's client libraries define, read from
// /proc at each scrape.
// https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
class ProcessMetrics : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override;
};

}  // namespace engram::metrics

#endif  // ENGRAM_LIBS_METRICS_PROCESS_METRICS_H_
