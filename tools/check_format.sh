#!/bin/sh
# Fails if a C++ file is not as .clang-format says; with --fix, formats it.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || tools/install_packages.sh clang-format
mode="--dry-run --Werror"
[ "${1:-}" = "--fix" ] && mode="-i"
# shellcheck disable=SC2086  # two words
find src tests bench \( -name '*.h' -o -name '*.cc' -o -name '*.cu' -o -name '*.cuh' \) -print0 |
  xargs -0 clang-format $mode
