# engram_embed_text(<output.cc> NAMESPACE <namespace> FUNCTION <function>
#                   HEADER <header> FILE <file>)
#
# Writes a source file whose `<namespace>::<function>()`, declared in <header>,
# returns the text of <file>. A piece of text each 8 KiB, for compilers take no
# longer literals; the file must not hold `)embedded"`.
function(engram_embed_text out)
  cmake_parse_arguments(arg "" "NAMESPACE;FUNCTION;HEADER;FILE" "" ${ARGN})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${arg_FILE})
  file(READ ${arg_FILE} text)
  string(LENGTH "${text}" length)
  set(literals)
  set(begin 0)
  while(begin LESS length)
    string(SUBSTRING "${text}" ${begin} 8192 piece)
    string(APPEND literals "    R\"embedded(${piece})embedded\"\n")
    math(EXPR begin "${begin} + 8192")
  endwhile()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "// Made by cmake/embed_text.cmake.

#include \"${arg_HEADER}\"

namespace ${arg_NAMESPACE} {
absl::string_view ${arg_FUNCTION}() {
  return
@literals@  ;
}
}  // namespace ${arg_NAMESPACE}
")
endfunction()
