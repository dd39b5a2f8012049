#!/usr/bin/env bash
# Formats, lints, and fails on any finding, the same locally as in CI.
#
#   tools/check.sh              whole tree; clang-tidy on changed files only, on
#                               main itself the twenty that changed last
#   tools/check.sh --fix        the same, rewriting files to the format first
#   tools/check.sh --all        clang-tidy on every file (minutes)
#   tools/check.sh --base REF   changed means: differs from REF
#
# clang-tidy reads how files are compiled from build/release (or build/dev), so
# build first; it also runs clang's thread-safety analysis.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "${ENGRAM_ROOT}"

fix=false
all=false
base=
while [[ "$#" -gt 0 ]]; do
  case "$1" in
    --fix) fix=true ;;
    --all) all=true ;;
    --base) base="${2:?--base needs a commit}" && shift ;;
    *) die "unknown argument '$1'; see the top of tools/check.sh" ;;
  esac
  shift
done

failures=()

# check <name> <command>...: runs the command and remembers whether it failed, so
# that one run shows every finding.
check() {
  step "$1"
  if "${@:2}"; then note "ok"; else failures+=("$1"); fi
}

# Tracked and new files of the tree that match the patterns; never build output.
# Names are NUL-separated on the way, and files just deleted are left out.
tree_files() {
  git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do
      if [[ -f "${file}" ]]; then printf '%s\0' "${file}"; fi
    done
}

# The same for files that differ from the base.
changed_files() {
  { git diff -z --name-only --diff-filter=d "${base}" -- "$@"
    git ls-files -z --others --exclude-standard -- "$@"; } | sort -zu
}

# The same where nothing is ahead of anything, as in CI: those of the last
# commits, the newest first.
recent_files() {
  git log --first-parent -m -n 50 --diff-filter=d --name-only -z --format= -- "$@"
}

# Where this branch left main; nothing on main itself.
default_base() {
  local fork
  fork="$(git merge-base HEAD origin/main 2>/dev/null || true)"
  if [[ "${fork}" != "$(git rev-parse HEAD)" ]]; then echo "${fork}"; fi
}

clang_format() {
  # The settings are clang-format 14's, Debian 12's; a newer one formats otherwise.
  if "${fix}"; then tree_files '*.cc' '*.h' | xargs -0r clang-format -i; fi
  tree_files '*.cc' '*.h' | xargs -0r clang-format --dry-run --Werror
}

shell_check() {
  { tree_files '*.sh'; printf '.ci/run\0'; } | xargs -0r shellcheck -x
}

proto_lint() {
  if ! command -v buf >/dev/null; then
    note "skipped: no buf here; tools/install_check_tools.sh installs it"
    return
  fi
  # Standard protos come from packages and not from buf's registry, so that no
  # network is needed: protoc compiles them together, buf lints the result.
  local image
  image="$(mktemp --suffix=.binpb)"
  # shellcheck disable=SC2046  # Proto file names hold no spaces.
  protoc -I protos -I "${build}/standard_protos" --include_imports \
    --include_source_info --descriptor_set_out="${image}" \
    $(tree_files 'protos/*.proto' | xargs -0 printf '%s\n' | sed 's|^protos/||') &&
    buf lint "${image}#format=binpb" --config buf.yaml
  local result=$?
  rm -f "${image}"
  return "${result}"
}

clang_tidy() {
  # Only files that the build compiles: clang-tidy guesses at the others' flags.
  # A header is checked through its .cc. Tests are left out: one that includes
  # gRPC's services takes a minute, and what is found there is copies that cost
  # nothing.
  local candidates compiled most=100000
  candidates="$({
    if "${all}"; then tree_files '*.cc'
    elif [[ -n "${base}" ]]; then changed_files '*.cc' '*.h'
    else recent_files '*.cc' '*.h'; fi
  } | tr '\0' '\n' | sed -E 's|\.h$|.cc|; /_test\.cc$/d; /\/testing\//d' |
    awk '!seen[$0]++')"
  # What CI has time for: 12 seconds each.
  if ! "${all}" && [[ -z "${base}" ]]; then most=20; fi
  # The commands without the precompiled headers, which only g++ can read.
  local commands="${build}/tidy"
  mkdir -p "${commands}"
  compiled="$(python3 -c '
import json, os, re, sys
entries = json.load(open(sys.argv[1]))
for entry in entries:
    entry["command"] = re.sub(r"-include \S+/cmake_pch\.hxx", "", entry["command"])
    print(os.path.relpath(entry["file"]))
json.dump(entries, open(sys.argv[2], "w"))' \
    "${build}/compile_commands.json" "${commands}/compile_commands.json" | sort -u)"
  local files
  files="$(grep -Fxf <(echo "${compiled}") <<<"${candidates}" | head -n "${most}" || true)"
  note "$(grep -c . <<<"${files}" || true) files"
  [[ -n "${files}" ]] || return 0
  # GCC's own warning flags mean nothing to clang; the thread-safety analysis is
  # clang's alone, and .clang-tidy makes its warnings errors.
  tr '\n' '\0' <<<"${files}" | xargs -0r -P "$(nproc)" -n 1 \
    clang-tidy -p "${commands}" --quiet \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wthread-safety \
    2> >(grep -v 'warnings\? generated' >&2)  # Counts system headers' too.
}

build=build/release
[[ -f "${build}/compile_commands.json" ]] || build=build/dev
[[ -f "${build}/compile_commands.json" ]] ||
  die "no build to read compile commands from: run tools/test.sh, or cmake --preset dev"
base="${base:-$(default_base)}"

check "Format (clang-format)" clang_format
check "Shell scripts (shellcheck)" shell_check
check "Protos (buf lint)" proto_lint
check "C++ (clang-tidy, ${base:+against }${base:-the newest files})" clang_tidy

if [[ "${#failures[@]}" -gt 0 ]]; then
  step "Failed: $(printf '%s; ' "${failures[@]}")"
  exit 1
fi
step "All checks passed."
