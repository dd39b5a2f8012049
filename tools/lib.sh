# shellcheck shell=bash
# What the scripts of tools/, .ci/ and tests/deploy/ share. Sourced, never run.

# The top of the source tree, wherever the caller was started.
ENGRAM_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# Where tools/install_check_tools.sh keeps what Debian has no package for.
ENGRAM_TOOLS="${ENGRAM_TOOLS:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/engram-tools}"
PATH="${ENGRAM_TOOLS}/bin:${PATH}"
export ENGRAM_ROOT ENGRAM_TOOLS PATH

# Prints a step's heading, so that a long log can be skimmed.
step() { printf '\n== %s\n' "$*"; }

note() { printf '   %s\n' "$*"; }

# Ends the script. The message says what to do next, not only what went wrong.
die() {
  printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
  if [[ "$(id -u)" -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    die "installing packages needs root: run this as root or install sudo"
  fi
}

# Configures and builds a CMake preset into build/<preset>; further arguments
# are targets (none: everything).
build_preset() {
  local preset="$1" start="${SECONDS}"
  shift
  step "Building the ${preset} preset in build/${preset}"
  # Ninja would repeat a command's whole output only on failure; CMake's own
  # configure chatter is kept out of the way in the same spirit.
  (cd "${ENGRAM_ROOT}" &&
    cmake --preset "${preset}" --log-level=NOTICE &&
    cmake --build --preset "${preset}" ${1:+--target "$@"})
  note "built in $(((SECONDS - start) / 60)) min $(((SECONDS - start) % 60)) s"
}

# Runs the tests of a CMake preset, as many at once as there are processors;
# further arguments are ctest's. Without any, that there are no tests is an error.
run_tests() {
  local preset="$1"
  shift
  step "Running the tests of the ${preset} preset"
  (cd "${ENGRAM_ROOT}" &&
    ctest --preset "${preset}" --parallel "$(nproc)" "${@:---no-tests=error}")
}
