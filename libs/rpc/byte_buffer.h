// Messages as bytes, for methods that encode their answers themselves.

#ifndef ENGRAM_LIBS_RPC_BYTE_BUFFER_H_
#define ENGRAM_LIBS_RPC_BYTE_BUFFER_H_

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "libs/status/grpc_status.h"

namespace engram::rpc {

// `Internal`, as gRPC's own methods have it, if the bytes are no such message.
template <typename Message>
absl::Status Decode(const grpc::ByteBuffer& bytes, Message* message) {
  // Most are in one piece.
  grpc::Slice slice;
  if (bytes.TrySingleSlice(&slice).ok() &&
      message->ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
    return absl::OkStatus();
  }
  // Decoding empties what it reads; a copy shares the bytes.
  grpc::ByteBuffer buffer = bytes;
  return FromGrpcStatus(
      grpc::SerializationTraits<Message>::Deserialize(&buffer, message));
}

// Takes the bytes over; makes no copy unless one is cheaper.
inline grpc::ByteBuffer ToByteBuffer(std::string bytes) {
  constexpr size_t kFewBytes = 4096;
  if (bytes.size() <= kFewBytes) {
    const grpc::Slice slice(bytes);
    return grpc::ByteBuffer(&slice, 1);
  }
  auto* const owned = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(),
      [](void* owned) { delete static_cast<std::string*>(owned); }, owned);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_BYTE_BUFFER_H_
