#!/usr/bin/env bash
# Fetches the engines that hnsw_benchmark is compared with and compiles each as
# a shared library for this machine's processor. Prints their paths. Nothing of
# them is kept in this repository.
#
#   tests/benchmarks/search/make_peers.sh
#
# hnswlib, faiss-cpu and usearch come from their Python packages. pyglass and
# SymphonyQG, which have none for this Python, are made where PYGLASS_SOURCE and
# SYMPHONYQG_SOURCE name folders with their sources.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../../.." && pwd)"
peers="$HOME/.cache/engram-tools/peers"
mkdir -p "$peers"

hnswlib=0.8.0
faiss=1.15.1
usearch=2.26.6
numkong=7.8.6

# unpacked_source NAME VERSION: the folder of a package's sources.
unpacked_source() {
  local folder="$peers/$1-$2"
  if [[ ! -d "$folder" ]]; then
    python3 -m pip download --quiet --no-deps --no-binary "$1" \
      --dest "$peers" "$1==$2" >&2
    tar -xzf "$folder.tar.gz" -C "$peers"
  fi
  echo "$folder"
}

# unpacked_wheel NAME VERSION: the folder of a package as it is installed.
unpacked_wheel() {
  local folder="$peers/$1-$2-wheel"
  if [[ ! -d "$folder" ]]; then
    python3 -m pip install --quiet --no-deps --target "$folder" "$1==$2" >&2
  fi
  echo "$folder"
}

# compile NAME SOURCE OPTION...: prints the library's path.
compile() {
  local library="$peers/$1.so" source="$here/peers/$2"
  if [[ ! -f "$library" || "$source" -nt "$library" ||
        "$here/graph_peer.h" -nt "$library" ]]; then
    g++ -std=c++20 -O3 -march=native -fPIC -shared -pthread -w -I "$root" \
      "$source" "${@:3}" -o "$library"
  fi
  echo "$library"
}

source="$(unpacked_source hnswlib "$hnswlib")"
compile "hnswlib-$hnswlib" hnswlib_peer.cc \
  -DPEER_VERSION="\"$hnswlib\"" -I "$source"

# Its own library, which chooses the kernels for the processor by itself.
wheel="$(unpacked_wheel faiss-cpu "$faiss")"
compile "faiss-cpu-$faiss" faiss_peer.cc \
  -DPEER_VERSION="\"$faiss\"" "$wheel/faiss/libfaiss.so" \
  "$wheel"/faiss_cpu.libs/libgomp-*.so* \
  -Wl,-rpath,"$wheel/faiss:$wheel/faiss_cpu.libs"

# Headers alone, and kernels from a package that is an extension of Python.
source="$(unpacked_source usearch "$usearch")"
wheel="$(unpacked_wheel numkong "$numkong")"
python="$(python3 -c 'import sysconfig as c
print(c.get_config_var("LIBDIR") + "/" + c.get_config_var("INSTSONAME"))')"
# As its authors build it: which kernels there are is asked of the package.
# GCC 12 lacks a type that headers for AVX512_BF16 want.
no_kernels=(-DNK_DYNAMIC_DISPATCH=1 -mno-avx512bf16)
for set in HASWELL SKYLAKE ICELAKE SAPPHIRE GENOA TURIN SIERRA ALDER \
  SAPPHIREAMX GRANITEAMX DIAMOND; do
  no_kernels+=("-DNK_TARGET_$set=0")
done
compile "usearch-$usearch" usearch_peer.cc -ffast-math \
  -DPEER_VERSION="\"$usearch\"" -DPEER_SCALAR=f32_k -DUSEARCH_USE_NUMKONG=1 \
  "${no_kernels[@]}" -I "$source/include" -I "$source/numkong/include" \
  "$wheel"/numkong/_numkong.*.so "$python" \
  -Wl,-rpath,"$wheel/numkong:$(dirname "$python")"

# By 4-bit and by 8-bit codes: which is better depends on the data.
if [[ -n "${PYGLASS_SOURCE:-}" ]]; then
  for codes in SQ4U SQ8U; do
    compile "pyglass-$codes" pyglass_peer.cc -Ofast -fopenmp \
      -DPEER_VERSION='"2.1.0"' -DPEER_CODES="\"$codes\"" \
      -I "$PYGLASS_SOURCE" -I "$PYGLASS_SOURCE/third_party/helpa"
  done
fi

if [[ -n "${SYMPHONYQG_SOURCE:-}" ]]; then
  compile symphonyqg symphonyqg_peer.cc -Ofast -fopenmp \
    -DEIGEN_DONT_PARALLELIZE -I "$SYMPHONYQG_SOURCE/symqglib"
fi
