#!/usr/bin/env bash
# collect.sh <bin folder> <image folder>: gathers what Engram's images hold.
#
#   <image folder>/bin/       the binaries, without debug information
#   <image folder>/models/    the built-in embedding model
#   <image folder>/packages   the Debian packages whose libraries they load
#
# The packages are read off the binaries, so there is no list to keep in step.
set -euo pipefail

bin="$1"
image="$2"
source_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
binaries=(engram-storage engram-embedding engram-search engramd engramctl)

mkdir -p "${image}/bin" "${image}/models"
for binary in "${binaries[@]}"; do
  install -m 0755 "${bin}/${binary}" "${image}/bin/"
  strip --strip-debug "${image}/bin/${binary}"
done
cp "${source_root}"/deploy/models/static-minilm-256.* "${image}/models/"

# The package that a library's file came with. Links are followed, because
# libblas.so.3 is one that only leads to its package through them. Debian 12 has
# /lib as a link to /usr/lib, and packages name their files either way.
package_of() {
  local file
  file="$(realpath "$1")"
  { dpkg-query -S "${file}" || dpkg-query -S "${file#/usr}"; } 2>/dev/null | cut -d: -f1
}

for library in $(ldd "${binaries[@]/#/${image}/bin/}" | awk '$2 == "=>" { print $3 }' | sort -u); do
  package_of "${library}"
done | sort -u > "${image}/packages"
