#!/usr/bin/env bash
# Set-up, release build, every test. What README calls command two.
#
# Arguments go to ctest, for example: tools/test.sh -R record_writer
#
# The tests of deploy/ and helm/ need tools that Debian does not package; where
# they are missing ctest lists those tests as skipped. They come with
# tools/install_check_tools.sh, which .ci/run calls first.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"${ENGRAM_ROOT}/tools/setup.sh"
build_preset release

step "Running every test"
cd "${ENGRAM_ROOT}"
exec ctest --preset release --no-tests=error "$@"
