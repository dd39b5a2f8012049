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
metrics="${ENGRAM_METRICS_LISTEN:-127.0.0.1:9700}"
bin="${ENGRAM_ROOT}/build/release/bin"
pid_file="${folder}/engramd.pid"
log_file="${folder}/engramd.log"
reused=""  # Set if the engramd of an earlier run is used.
corpus="${folder}/debian-packages.jsonl"
schema="${ENGRAM_ROOT}/deploy/schemas/examples/debian-packages.yaml"
searches=(
  "program to edit photographs"
  "monitor network traffic"
  "learn to play the piano"
)

engramctl() { "${bin}/engramctl" --server "${server}" "$@"; }

# By its program too: after a reboot the number may be another process's. One that
# ended and was not waited for, as in a container without an init, has none.
is_running() {
  [[ -s "${pid_file}" &&
    "$(readlink "/proc/$(<"${pid_file}")/exe")" =~ /engramd( \(deleted\))?$ ]]
}

# Whether anything accepts connections on host:port.
is_taken() {
  local host="${1%:*}"
  (: < "/dev/tcp/${host//[][]/}/${1##*:}") 2>/dev/null
}

# Seconds since a value of EPOCHREALTIME, to a tenth; bash has whole numbers only.
seconds_since() {
  LC_ALL=C awk -v from="${1/,/.}" -v to="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.1f", to - from }'
}

# Uses the engramd of an earlier run, or starts one. Somebody else's is neither
# used nor filled with packages.
start_engramd() {
  if is_running; then
    local process address
    process="$(<"${pid_file}")"
    # The words of its command line end in NULs; the address is a word of its own.
    if ! grep -qzxF -- "${server}" "/proc/${process}/cmdline"; then
      die "the engramd of ${folder} (process ${process}) listens elsewhere than" \
        "${server}: stop it with 'kill ${process}' and run this again"
    fi
    note "engramd runs already (process ${process}); using it"
    reused=true
    if [[ "${bin}/engramd" -nt "${pid_file}" ]]; then
      note "It is older than this build: stop it and run this again to try the new one."
    fi
    return
  fi
  for address in "${server}" "${metrics}"; do
    if is_taken "${address}"; then
      die "another program listens on ${address}: stop it, or choose other addresses with" \
        "ENGRAM_LISTEN=127.0.0.1:<port> and ENGRAM_METRICS_LISTEN=127.0.0.1:<port>"
    fi
  done
  # A session of its own, so that closing this terminal does not end it.
  setsid "${bin}/engramd" --data-dir "${folder}/data" --listen "${server}" \
    --metrics-listen "${metrics}" </dev/null >>"${log_file}" 2>&1 &
  echo "$!" > "${pid_file}"
  note "engramd runs (process $(<"${pid_file}")), log in ${log_file}"
}

# Until engramd answers; if it ended instead, shows why.
wait_until_up() {
  local deadline=$((SECONDS + 60))
  until engramctl status >/dev/null 2>&1; do
    if ! is_running; then
      rm -f "${pid_file}"
      if [[ -n "${reused}" ]]; then  # It had been told to stop a moment before.
        reused=""
        start_engramd
        continue
      fi
      tail -n 5 "${log_file}" >&2
      die "engramd ended; the end of ${log_file} is above"
    fi
    ((SECONDS < deadline)) || die "engramd does not answer on ${server}; see ${log_file}"
    sleep 0.1
  done
}

# One of the collection's numbers in `status --json`: records, embedded, pending.
status_of() {
  engramctl status --json | python3 -c '
import json, sys
print(*(field[sys.argv[1]] for field in json.load(sys.stdin)["collections"]
        if field["collection"] == "packages"))' "$1"
}

# Imports the corpus and waits until all of it can be found. Embedding and indexing
# begin with the first record, so the three times overlap: all count from the start.
import_corpus() {
  local before start loaded embedded
  before="$(status_of records)"
  if ((before > 0)); then
    note "${before} are there from an earlier run: each is updated in place, and embedded"
    note "again only if its text changed."
  fi
  start="${EPOCHREALTIME}"
  # What a run left that was ended too early: this one imports all of it again.
  rm -f -- "${corpus}.import-state"
  engramctl import packages "${corpus}"
  loaded="$(seconds_since "${start}")"
  until [[ "$(status_of pending)" == 0 ]]; do
    is_running || die "engramd ended while embedding; see ${log_file}"
    sleep 0.1
  done
  embedded="$(seconds_since "${start}")"
  engramctl status --wait
  printf '\n'
  note "Counted from the start of the import:"
  note "$(printf '%6s s' "${loaded}")  all packages were stored"
  note "$(printf '%6s s' "${embedded}")  all were embedded"
  note "$(printf '%6s s' "$(seconds_since "${start}")")  all were indexed: every package can be found"
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
import_corpus

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
