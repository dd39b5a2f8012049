#ifndef ENGRAM_SERVICES_SEARCH_RECALL_CODEC_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_CODEC_H_

#include "engram/search/v1/index.pb.h"
#include "services/search/index.h"

namespace engram::search {

// Sets `calibration` and `measured_recall` of `response`.
void EncodeRecall(const IndexRecall& recall, v1::GetIndexResponse& response);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_CODEC_H_
