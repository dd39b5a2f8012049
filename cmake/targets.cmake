# The three kinds of target there are, with the options they share.

add_library(engram_options INTERFACE)
target_include_directories(engram_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(engram_options INTERFACE
    -Wall -Wextra -Werror -Wno-sign-compare -Wno-missing-field-initializers
    -fno-omit-frame-pointer)

# One flag for the whole tree, generated code included: a sanitizer that sees
# only half of a program reports races and overflows that are not there. Not
# optimised: compiling is what such a run takes its time for.
if(ENGRAM_SANITIZE)
  add_compile_options(-fsanitize=${ENGRAM_SANITIZE} -O0 -g1)
  add_link_options(-fsanitize=${ENGRAM_SANITIZE})
  if(ENGRAM_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_options(-O1 -g1)
endif()
# Tests and generated code are not looked at for undefined behaviour: they are half
# of what there is to compile, and a quarter longer with it.
set(ENGRAM_UNCHECKED)
if(ENGRAM_SANITIZE MATCHES "undefined")
  set(ENGRAM_UNCHECKED -fno-sanitize=undefined)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_DEBUG "")

# engram_library(<name> SRCS <file>... [DEPS <target>...])
#
# A static library `engram_<name>`, linked as `engram::<name>`. Headers need no
# listing; a library of headers alone leaves SRCS out.
function(engram_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  if(arg_SRCS)
    add_library(engram_${name} STATIC ${arg_SRCS})
    target_link_libraries(engram_${name} PUBLIC ${arg_DEPS} PRIVATE engram_options)
    target_include_directories(engram_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  else()
    add_library(engram_${name} INTERFACE)
    target_link_libraries(engram_${name} INTERFACE ${arg_DEPS})
    target_include_directories(engram_${name} INTERFACE ${CMAKE_SOURCE_DIR})
  endif()
  add_library(engram::${name} ALIAS engram_${name})
endfunction()

# engram_binary(<name> SRCS <file>... [DEPS <target>...])
function(engram_binary name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS} engram_options)
endfunction()

# Headers of others that most files of a target include are parsed once: a third
# of what the files take to compile. Not in a debug build, where a file that lacks
# an include of its own is found out, nor under ThreadSanitizer, whose tests
# include next to nothing of it.
if(ENGRAM_SANITIZE STREQUAL "address,undefined" OR CMAKE_BUILD_TYPE STREQUAL "Release")
  set(ENGRAM_PRECOMPILES ON)
endif()
# What ccache needs in order to know what a precompiled header is made of.
set(ENGRAM_PRECOMPILED_OPTIONS
    $<IF:$<CXX_COMPILER_ID:Clang>,SHELL:-Xclang -fno-pch-timestamp,-fpch-preprocess>)

# engram_precompile(<library> <header>...): for a library with many files.
function(engram_precompile name)
  if(ENGRAM_PRECOMPILES)
    target_precompile_headers(engram_${name} PRIVATE ${ARGN})
    target_compile_options(engram_${name} PRIVATE ${ENGRAM_PRECOMPILED_OPTIONS})
  endif()
endfunction()

# engram_test_headers(<header>...): defines those of tests, once the protos are.
function(engram_test_headers)
  if(ENGRAM_PRECOMPILES)
    file(WRITE ${CMAKE_BINARY_DIR}/test_headers.cc "")
    add_library(engram_test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cc)
    target_link_libraries(engram_test_headers PRIVATE
        engram::proto_storage gRPC::grpc++ GTest::gmock engram_options)
    target_compile_options(engram_test_headers PRIVATE -O0 -pthread ${ENGRAM_UNCHECKED})
    target_precompile_headers(engram_test_headers PRIVATE ${ARGN})
  endif()
endfunction()

# engram_test(<name> SRCS <file>... [DEPS <target>...] [LABELS <label>...])
#
# One GoogleTest binary; each of its tests is one test of ctest. Labels:
#   unit  fast; run under AddressSanitizer and UBSan (the default). In a release
#         build only when asked for by name: to compile each twice would be a
#         third of CI
#   tsan  uses neither gRPC nor protobuf, whose packages ThreadSanitizer cannot
#         see into (protobuf's even have another layout then); add to unit. Run
#         in a release build too
#   native  what a release build compiles otherwise, such as loops for some
#         processors; add to unit. Run in a release build too. Alone: what takes
#         too long elsewhere, and whose code others run there
#   e2e   starts the real binaries
#   whole  a whole system in one process: what its parts do under AddressSanitizer
#          is seen by their own tests
function(engram_test name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  add_executable(${name} ${arg_SRCS})
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND arg_LABELS STREQUAL "unit")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main engram_options)
  # The slowest files to compile, and nobody waits for what they themselves do.
  # Those of code in headers, which they compile, are looked at like the code.
  target_compile_options(${name} PRIVATE -O0 -pthread)
  if(arg_LABELS STREQUAL "unit")
    target_compile_options(${name} PRIVATE ${ENGRAM_UNCHECKED})
  endif()
  if(ENGRAM_PRECOMPILES)
    target_precompile_headers(${name} REUSE_FROM engram_test_headers)
    target_compile_options(${name} PRIVATE ${ENGRAM_PRECOMPILED_OPTIONS})
  endif()
  # Debian's Abseil is not instrumented: see libs/tsan.
  if(ENGRAM_SANITIZE STREQUAL "thread")
    target_link_libraries(${name} PRIVATE engram_tsan_abseil)
  endif()
  # gtest_discover_tests cannot pass a list on, so two labels become one, such as
  # `unit-tsan`: ctest -L takes a pattern, and both halves still match.
  list(JOIN arg_LABELS "-" joined_labels)
  gtest_discover_tests(${name}
      DISCOVERY_MODE PRE_TEST
      PROPERTIES LABELS ${joined_labels} TIMEOUT 300)
  foreach(label ${arg_LABELS})
    if(NOT TARGET ${label}_tests)
      add_custom_target(${label}_tests)
    endif()
    add_dependencies(${label}_tests ${name})
  endforeach()
endfunction()
