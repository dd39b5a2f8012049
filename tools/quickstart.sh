#!/usr/bin/env bash
# From a clean Debian 12 to semantic search over the descriptions of all its
# packages, in one command: set-up, release build, engramd, corpus, import, three
# searches. It leaves engramd running and says how to stop it. A second run uses
# what the first one left: packages, build, running server, data.
#
#   ENGRAM_QUICKSTART_DIR   where data, log and pid file go (default: engram-data
#                           in the source tree)
#   ENGRAM_LISTEN, ENGRAM_METRICS_LISTEN
#                           where engramd listens, if its usual ports are taken
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder="${ENGRAM_QUICKSTART_DIR:-${ENGRAM_ROOT}/engram-data}"
server="${ENGRAM_LISTEN:-127.0.0.1:7700}"
bin="${ENGRAM_ROOT}/build/release/bin"
pid_file="${folder}/engramd.pid"
log_file="${folder}/engramd.log"
corpus="${folder}/debian-packages.jsonl"
schema="${ENGRAM_ROOT}/deploy/schemas/examples/debian-packages.yaml"
searches=(
  "program to edit photographs"
  "monitor network traffic"
  "learn to play the piano"
)

engramctl() { "${bin}/engramctl" --server "${server}" "$@"; }

# By name too: after a reboot the number may be another process's.
is_running() {
  [[ -s "${pid_file}" && "$(cat "/proc/$(<"${pid_file}")/comm" 2>/dev/null)" == engramd ]]
}

# Seconds since a value of EPOCHREALTIME, to a tenth; bash has whole numbers only.
seconds_since() {
  awk -v from="$1" -v to="${EPOCHREALTIME}" 'BEGIN { printf "%.1f", to - from }'
}

start_engramd() {
  if is_running; then
    note "engramd runs already (process $(<"${pid_file}")); using it"
    if [[ "${bin}/engramd" -nt "${pid_file}" ]]; then
      note "It is older than this build: stop it and run this again to try the new one."
    fi
    return
  fi
  # A session of its own, so that closing this terminal does not end it.
  setsid "${bin}/engramd" --data-dir "${folder}/data" --listen "${server}" \
    </dev/null >>"${log_file}" 2>&1 &
  echo "$!" > "${pid_file}"
  note "engramd runs (process $(<"${pid_file}")), log in ${log_file}"
}

# Until engramd answers; if it ended instead, shows why.
wait_until_up() {
  local deadline=$((SECONDS + 60))
  until engramctl status >/dev/null 2>&1; do
    if ! is_running; then
      rm -f "${pid_file}"
      tail -n 5 "${log_file}" >&2
      die "engramd ended while starting; the end of ${log_file} is above"
    fi
    ((SECONDS < deadline)) || die "engramd does not answer on ${server}; see ${log_file}"
    sleep 0.1
  done
}

mkdir -p "${folder}"

step "Installing what the build needs"
"${ENGRAM_ROOT}/tools/setup.sh"

build_preset release engramd engramctl

step "Starting engramd on ${server}"
start_engramd
wait_until_up

step "Reading Debian's package descriptions"
if [[ -s "${corpus}" ]]; then
  note "${corpus} is there already; delete it to read apt's lists again"
else
  # Under another name first: a run cut short leaves no half corpus behind.
  python3 "${ENGRAM_ROOT}/tools/corpora/debian_packages.py" --update --output "${corpus}.part"
  mv "${corpus}.part" "${corpus}"
fi
note "$(wc -l < "${corpus}") packages"

step "Importing them into the collection 'packages'"
engramctl schema apply "${schema}"
start="${EPOCHREALTIME}"
engramctl import packages "${corpus}"
loaded="$(seconds_since "${start}")"
engramctl status --wait
note "stored after ${loaded} s, all searchable after $(seconds_since "${start}") s"

for text in "${searches[@]}"; do
  step "Search: ${text}"
  engramctl search packages "${text}" --limit 10
done

step "engramd goes on running."
cat <<END
   Search     ${bin}/engramctl --server ${server} search packages "your words"
   Look       ${bin}/engramctl --server ${server} status
   Stop       kill $(<"${pid_file}")
   Remove     rm -r ${folder}
END
