# engram_embed_migrations(<output.cc> NAMESPACE <namespace> FUNCTION <function>
#                         HEADER <header> FILES <file>...)
#
# Writes a source file whose `<namespace>::<function>()`, declared in <header>,
# returns the SQL files as sqlite::Migration, in order. Files are called
# 0001_what.sql, 0002_... without gaps; a first line `-- min_reader: 3` overrides
# the number that readers must know, which else is the file's own.
function(engram_embed_migrations out)
  cmake_parse_arguments(arg "" "NAMESPACE;FUNCTION;HEADER" "FILES" ${ARGN})
  set(rows)
  set(expected 0)
  foreach(file ${arg_FILES})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    math(EXPR expected "${expected} + 1")
    string(REGEX MATCH "^0*([1-9][0-9]*)_" ignored ${name})
    set(number ${CMAKE_MATCH_1})
    if(NOT number EQUAL expected)
      message(FATAL_ERROR "${file}: expected migration ${expected}")
    endif()
    file(READ ${file} sql)
    set(min_reader ${number})
    if(sql MATCHES "^-- min_reader: ([0-9]+)")
      set(min_reader ${CMAKE_MATCH_1})
    endif()
    string(APPEND rows
        "    {${number}, \"${name}\", R\"migration(${sql})migration\", ${min_reader}},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "// Made by cmake/migrations.cmake.

#include \"${arg_HEADER}\"

namespace ${arg_NAMESPACE} {
namespace {
constexpr sqlite::Migration kMigrations[] = {
@rows@};
}  // namespace

absl::Span<const sqlite::Migration> ${arg_FUNCTION}() { return kMigrations; }
}  // namespace ${arg_NAMESPACE}
")
endfunction()
