#!/usr/bin/env bash
# clean_chroot.sh [command in the source tree]: does the README hold on a clean
# Debian 12? Makes one with debootstrap, clones HEAD into it, and runs
# tools/quickstart.sh there (or the command given, for example tools/test.sh).
#
# By hand and as root, not part of ctest: it installs some 200 packages and builds
# everything without ccache. Uncommitted changes are not in the clone.
#
#   CHROOT   where to make it (default: a temporary folder, removed at the end; a
#            folder given is kept, and used again the next time)
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/lib.sh"

[[ "$(id -u)" -eq 0 ]] || die "a chroot needs root"
command -v debootstrap >/dev/null || die "no debootstrap here: apt-get install debootstrap"

if [[ -n "${CHROOT:-}" ]]; then
  root="${CHROOT}"
else
  root="$(mktemp -d /var/tmp/engram-chroot.XXXXXX)"
  trap 'rm -rf "${root}"' EXIT
fi

if [[ ! -e "${root}/etc/debian_version" ]]; then
  step "Making a minimal Debian 12 in ${root}"
  debootstrap --variant=minbase bookworm "${root}" http://deb.debian.org/debian >/dev/null
  for suite in bookworm-updates "bookworm-security"; do
    archive=debian
    [[ "${suite}" == *security ]] && archive=debian-security
    echo "deb http://deb.debian.org/${archive} ${suite} main" >> "${root}/etc/apt/sources.list"
  done
fi
cp -L /etc/resolv.conf /etc/hosts "${root}/etc/"

step "Cloning $(git -C "${ENGRAM_ROOT}" rev-parse --short HEAD)"
rm -rf "${root}/src/engram"
mkdir -p "${root}/src"
git clone --quiet --no-hardlinks "${ENGRAM_ROOT}" "${root}/src/engram"

command=("$@")
[[ "$#" -gt 0 ]] || command=(tools/quickstart.sh)
step "Running ${command[*]} inside"
# Its own mounts and process numbers: all that is mounted or left running inside
# ends with it. A nearly empty environment, as after a first login.
environment=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}")
for name in ENGRAM_LISTEN ENGRAM_METRICS_LISTEN; do  # If the usual ports are taken.
  if [[ -n "${!name:-}" ]]; then environment+=("${name}=${!name}"); fi
done
# shellcheck disable=SC2016  # Expanded by the inner shells.
unshare --mount --pid --fork --kill-child bash -c '
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  exec chroot "$@"' bash "${root}" \
  env -i "${environment[@]}" bash -c 'cd /src/engram && exec "$@"' bash "${command[@]}" </dev/null
step "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s."
