#include "services/search/recall_codec.h"

namespace engram::search {

void EncodeRecall(const IndexRecall& recall, v1::GetIndexResponse& response) {
  for (const RecallPoint& point : recall.calibration) {
    v1::RecallPoint& encoded = *response.add_calibration();
    encoded.set_width(point.width);
    encoded.set_recall(point.of_10);
  }
  if (recall.is_exact) {
    // Whatever was sampled of a graph that there was before.
    response.mutable_measured_recall()->set_recall(1);
    return;
  }
  if (recall.samples == 0) return;
  v1::MeasuredRecall& measured = *response.mutable_measured_recall();
  measured.set_recall(static_cast<float>(recall.recall));
  measured.set_samples(recall.samples);
  measured.set_width(recall.width);
}

}  // namespace engram::search
