#!/usr/bin/env bash
# Runs the fuzzers under AddressSanitizer and UBSan, and keeps what they learn.
#
#   tools/fuzz.sh [minutes] [target...]     30 minutes, each of cache chunk filter list pattern schema sql text write
#
# Targets run one after another, each on every processor (FUZZ_JOBS: on so many).
# New inputs that reach new code join tests/fuzz/corpus/<target>/, merged down to
# the smallest set that reaches the same, at most 200 files: commit them. A crash
# is written to tests/fuzz/corpus/<target>/crash-<hash>, where the ordinary tests
# find it too, and the script ends with an error.
#
# Needs tools/setup.sh.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

minutes="${1:-30}"
[[ "${minutes}" =~ ^[0-9]+$ ]] || die "'${minutes}' is no number of minutes"
targets=("${@:2}")
[[ "${#targets[@]}" -gt 0 ]] || targets=(cache chunk filter list pattern schema sql text write)
jobs="${FUZZ_JOBS:-$(nproc)}"
max_corpus_files=200

build_preset fuzz "${targets[@]/%/_fuzzer}"

cd "${ENGRAM_ROOT}"
# What a run finds is large; only what the merge keeps comes back to the tree.
work="${ENGRAM_ROOT}/build/fuzz/work"
failed=()
for target in "${targets[@]}"; do
  step "Fuzzing ${target} for ${minutes} minutes"
  corpus="tests/fuzz/corpus/${target}"
  program="build/fuzz/bin/${target}_fuzzer"
  found="${work}/${target}"
  mkdir -p "${corpus}" "${found}"
  options=(-timeout=30 -rss_limit_mb=4096 "-artifact_prefix=${corpus}/")
  # Words of the language make far better guesses than bytes.
  dictionary="tests/fuzz/${target}.dict"
  [[ -e "${dictionary}" ]] && options+=("-dict=${dictionary}")
  if ! "${program}" "${options[@]}" "-max_total_time=$((minutes * 60))" \
    "-fork=${jobs}" -print_final_stats=1 "${found}" "${corpus}"; then
    failed+=("${target}")
  fi

  # The smallest set that reaches all the code that both folders do.
  merged="${work}/${target}.merged"
  rm -rf "${merged}"
  mkdir -p "${merged}"
  "${program}" "${options[@]}" -merge=1 "${merged}" "${corpus}" "${found}" 2>/dev/null ||
    note "some inputs were left out of the merge, for they crash"
  find "${corpus}" -type f ! -name 'crash-*' ! -name 'seed-*' -delete
  # Small files first: they reach most, and are quick to replay.
  find "${merged}" -type f -printf '%s %p\n' | sort -n | head -n "${max_corpus_files}" |
    cut -d' ' -f2- | while read -r file; do cp "${file}" "${corpus}/"; done
  note "$(find "${corpus}" -type f | wc -l) files in ${corpus}"
done

[[ "${#failed[@]}" -eq 0 ]] || die "crashes in: ${failed[*]}; see tests/fuzz/corpus/*/{crash,timeout,oom}-*"
