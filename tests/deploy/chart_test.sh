#!/usr/bin/env bash
# chart_test.sh <folder of binaries>: the Helm chart renders, for the defaults and
# for other values, to objects that Kubernetes knows; and what it asks of the
# binaries and protos is there.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"

bin="$1"
chart="${ENGRAM_ROOT}/helm/engram"
values="${ENGRAM_ROOT}/tests/deploy/values"
skipped=77  # Agreed with ctest in CMakeLists.txt.

command -v helm >/dev/null || {
  echo "skipped: no helm here; tools/install_check_tools.sh installs it"
  exit "${skipped}"
}
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT

render() {  # <values file>: prints the objects.
  # A helm built by `go install` believes in a very old Kubernetes unless told.
  helm template test "${chart}" --namespace somewhere --kube-version 1.30.0 --values "$1"
}

touch "${work}/default.yaml"  # No values of one's own.
for file in "${work}/default.yaml" "${values}"/*.yaml; do
  name="$(basename "${file}" .yaml)"
  step "Values: ${name}"
  helm lint --strict --quiet "${chart}" --values "${file}"
  render "${file}" > "${work}/${name}.out"
  if command -v kubernetes-validate >/dev/null; then
    # Strict: a field that Kubernetes does not know is an error, not ignored.
    kubernetes-validate --strict --quiet --kubernetes-version 1.30.0 "${work}/${name}.out"
  else
    note "not checked against Kubernetes' schemas: kubernetes-validate is missing"
  fi
  note "$(grep -c '^kind:' "${work}/${name}.out") objects"
done

step "Values that the chart refuses"
refused=(
  storage.replicas=2             # One writer.
  embedding.replica=3            # A misspelt key.
  search.cache.size=plenty
  embedding.providers.uses=openai
  logLevel=loud
  image.prefix=registry.example  # Without its slash it would run into the name.
)
for setting in "${refused[@]}"; do
  if helm template test "${chart}" --kube-version 1.30.0 --set "${setting}" \
      > /dev/null 2> "${work}/error"; then
    die "the chart accepts --set ${setting}"
  fi
  grep -q "values don't meet the specifications" "${work}/error" ||
    die "--set ${setting} fails for another reason: $(cat "${work}/error")"
  note "${setting}: refused"
done

step "Probes name services that the protos declare"
rendered="${work}/default.out"
grep -o 'service: engram\.[A-Za-z0-9.]*' "${rendered}" | sort -u |
  while read -r _ service; do
    package="${service%.*}"
    grep -qrE "^service ${service##*.} " "${ENGRAM_ROOT}/protos/${package//.//}" ||
      die "no proto declares ${service}"
    note "${service}"
  done

step "The binary takes the file of remote models that the chart writes"
/usr/bin/python3 - "${work}/large.out" > "${work}/embedding.yaml" <<'PYTHON'
import sys
import yaml
for item in yaml.safe_load_all(open(sys.argv[1])):
    if item["kind"] == "ConfigMap":
        print(item["data"]["embedding.yaml"])
PYTHON
"${bin}/engram-embedding" --providers "${work}/embedding.yaml" --check-config |
  grep '^# model openai/text-embedding-3-small@.*key from /run/engram/keys/openai (missing), the default' ||
  die "engram-embedding does not use the chart's file"

step "Flags exist"
for service in storage embedding search; do
  binary="${bin}/engram-${service}"
  [[ -x "${binary}" ]] || die "${binary} is not built"
  "${binary}" --help > "${work}/help" 2>&1
  # The flags of the container that has this name.
  sed -n "/- name: ${service}\$/,/ports:/p" "${rendered}" | grep -oE -- '- --[a-z-]+' |
    while read -r _ flag; do
      grep -qE -- "${flag}([ ,=]|\$)" "${work}/help" || die "engram-${service} has no ${flag}"
      note "engram-${service} ${flag}"
    done
done
