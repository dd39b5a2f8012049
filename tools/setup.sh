#!/usr/bin/env bash
# Installs the Debian 12 packages that Engram is built from.
#
#   tools/setup.sh            what a build and its tests need
#   tools/setup.sh --checks   also what tools/check.sh needs
#
# Safe to repeat: it installs only what is missing, and touches neither the
# network nor the package database when nothing is. Runs as root, or with sudo.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Kept in step with cmake/packages.cmake.
build_packages=(
  # Compilers and build. clang, and the OpenMP that FAISS names, for the sanitizers.
  g++ clang-14 libclang-rt-14-dev libomp-14-dev
  cmake ninja-build pkg-config ccache mold
  # RPC. The Go package is there for the google/rpc .proto files that it ships.
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  libprotoc-dev golang-github-gogo-googleapis-dev grpc-proto libabsl-dev libre2-dev libssl-dev
  # Store, vectors, bitmaps, metrics.
  libsqlite3-dev libfaiss-dev libopenblas-dev libroaring-dev prometheus-cpp-dev
  # Text, configuration, logs, command line.
  libutf8proc-dev libyaml-cpp-dev libsimdjson-dev libspdlog-dev libfmt-dev libcli11-dev
  # HTTP, for embedding providers.
  libcurl4-openssl-dev
  # Memory of programs that serve.
  libjemalloc-dev
  # Tests and benchmarks.
  libgtest-dev libgmock-dev libbenchmark-dev
  # Scripts: the corpus, the embedded model, the tests of deploy/.
  python3 ca-certificates git
)
check_packages=(
  clang-format clang-tidy shellcheck python3-yaml python3-venv
)

packages=("${build_packages[@]}")
for argument in "$@"; do
  case "${argument}" in
    --checks) packages+=("${check_packages[@]}") ;;
    *) die "unknown argument '${argument}'; only --checks is known" ;;
  esac
done

if [[ "$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}")" != bookworm ]]; then
  note "warning: the packages are chosen for Debian 12 (bookworm); this is another system"
fi

missing=()
for package in "${packages[@]}"; do
  # A package that was removed but not purged is known to dpkg and not installed.
  status="$(dpkg-query -W -f '${db:Status-Status}' "${package}" 2>/dev/null || true)"
  [[ "${status}" == installed ]] || missing+=("${package}")
done

if [[ "${#missing[@]}" -eq 0 ]]; then
  echo "Set-up: all ${#packages[@]} packages are installed already."
  exit 0
fi

echo "Set-up: installing ${#missing[@]} of ${#packages[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Quiet, because a first run unpacks some 200 packages; errors still show.
as_root apt-get update -qq
as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "Set-up: done."
