#!/usr/bin/env bash
# Set-up, build, every test. What README calls command two.
#
# The programs are built as users run them, and with them the tests that start
# them, those of whole systems, and those of the small libraries whose loops
# depend on the optimiser. Unit tests run once, where they find most: under
# AddressSanitizer and UBSan.
#
# Arguments go to ctest, for example: tools/test.sh -R RecordWriter
#
# The tests of deploy/ and helm/ need tools that Debian does not package; where
# they are missing ctest lists those tests as skipped. They come with
# tools/install_check_tools.sh, which .ci/run calls first.
set -euo pipefail
# shellcheck source=tools/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"${ENGRAM_ROOT}/tools/setup.sh"
build_preset release
run_tests release "$@"
build_preset asan unit_tests
run_tests asan "$@"
