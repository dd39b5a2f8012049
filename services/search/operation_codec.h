// Operations as they travel.

#ifndef ENGRAM_SERVICES_SEARCH_OPERATION_CODEC_H_
#define ENGRAM_SERVICES_SEARCH_OPERATION_CODEC_H_

#include "engram/common/v1/operation.pb.h"
#include "google/protobuf/message.h"
#include "services/search/operation_store.h"

namespace engram::search {

common::v1::Operation EncodeOperation(const OperationView& view);

OperationResult EncodeResult(const google::protobuf::Message& result);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_OPERATION_CODEC_H_
