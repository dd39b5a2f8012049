# Compiles .proto files, ours and the standard ones, with Debian's protoc.
#
# google/rpc and grpc/health come out of Debian's packages, at configure time, so
# that no copy of them is kept here. (The jar of libgoogle-common-protos-java is
# too old: its error_details.proto has no ErrorInfo.)

set(ENGRAM_PROTO_OUT ${CMAKE_BINARY_DIR}/protos)
set(ENGRAM_STANDARD_PROTOS ${CMAKE_BINARY_DIR}/standard_protos)
file(MAKE_DIRECTORY ${ENGRAM_PROTO_OUT})

set(ENGRAM_RPC_PROTOS
    /usr/share/gocode/src/github.com/gogo/googleapis/google/rpc)
set(ENGRAM_HEALTH_PROTO /usr/share/grpc-proto/grpc/health/v1/health.proto)
foreach(file ${ENGRAM_RPC_PROTOS}/error_details.proto ${ENGRAM_HEALTH_PROTO})
  if(NOT EXISTS ${file})
    message(FATAL_ERROR "${file} is missing: run tools/setup.sh")
  endif()
endforeach()
file(COPY ${ENGRAM_RPC_PROTOS}/error_details.proto ${ENGRAM_RPC_PROTOS}/status.proto
     DESTINATION ${ENGRAM_STANDARD_PROTOS}/google/rpc)
file(COPY ${ENGRAM_HEALTH_PROTO} DESTINATION ${ENGRAM_STANDARD_PROTOS}/grpc/health/v1)

# engram_proto_library(<name> ROOT <dir> PROTOS <file>... [DEPS <target>...])
#
# `engram::<name>` holds the messages and the gRPC stubs of PROTOS, whose paths
# are relative to ROOT.
function(engram_proto_library name)
  cmake_parse_arguments(arg "" "ROOT" "PROTOS;DEPS" ${ARGN})
  set(generated)
  set(scratch ${ENGRAM_PROTO_OUT}.new)
  file(MAKE_DIRECTORY ${scratch})
  # Any proto may import any other of its root; regenerating all of them costs
  # less than keeping the true list, and what comes out the same is not touched,
  # so nothing is compiled again for it.
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${arg_ROOT}/*.proto)
  foreach(proto ${arg_PROTOS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    set(outputs
        ${ENGRAM_PROTO_OUT}/${stem}.pb.cc ${ENGRAM_PROTO_OUT}/${stem}.grpc.pb.cc)
    set(keep_if_same)
    foreach(suffix pb.cc pb.h grpc.pb.cc grpc.pb.h)
      list(APPEND keep_if_same
          COMMAND ${CMAKE_COMMAND} -E copy_if_different
                  ${scratch}/${stem}.${suffix} ${ENGRAM_PROTO_OUT}/${stem}.${suffix})
    endforeach()
    add_custom_command(
        OUTPUT ${outputs}
               ${ENGRAM_PROTO_OUT}/${stem}.pb.h ${ENGRAM_PROTO_OUT}/${stem}.grpc.pb.h
        COMMAND protobuf::protoc
                -I ${CMAKE_SOURCE_DIR}/protos -I ${ENGRAM_STANDARD_PROTOS}
                --cpp_out=${scratch} --grpc_out=${scratch}
                --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
                ${proto}
        ${keep_if_same}
        DEPENDS ${sources}
        VERBATIM)
    list(APPEND generated ${outputs})
  endforeach()
  add_library(engram_${name} STATIC ${generated})
  # Generated code is not ours to warn about: SYSTEM headers, no -Werror.
  target_compile_options(engram_${name} PRIVATE ${ENGRAM_UNCHECKED})
  target_include_directories(engram_${name} SYSTEM PUBLIC ${ENGRAM_PROTO_OUT})
  target_link_libraries(engram_${name}
      PUBLIC protobuf::libprotobuf gRPC::grpc++ ${arg_DEPS})
  add_library(engram::${name} ALIAS engram_${name})
endfunction()
