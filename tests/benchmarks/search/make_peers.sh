#!/usr/bin/env bash
# Fetches the engines that hnsw_benchmark is compared with and compiles each as
# a shared library for this machine's processor. Prints their paths. Nothing of
# them is kept in this repository.
#
#   tests/benchmarks/search/make_peers.sh
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../../.." && pwd)"
peers="$HOME/.cache/engram-tools/peers"
mkdir -p "$peers"

version=0.8.0
library="$peers/hnswlib-$version.so"
if [[ ! -f "$library" || "$here/hnswlib_peer.cc" -nt "$library" ]]; then
  [[ -f "$peers/hnswlib-$version.tar.gz" ]] ||
    python3 -m pip download --quiet --no-deps --no-binary hnswlib \
      --dest "$peers" "hnswlib==$version"
  tar -xzf "$peers/hnswlib-$version.tar.gz" -C "$peers"
  g++ -std=c++20 -O3 -march=native -fPIC -shared -pthread \
    -I "$peers/hnswlib-$version" -I "$root" \
    "$here/hnswlib_peer.cc" -o "$library"
fi
echo "$library"
