#!/bin/sh
# Installs the packages of tools/packages.txt (and those named as arguments) that are missing: as root, or through sudo
# where it asks for no password. Otherwise prints the one line to run.
set -eu
here=$(dirname "$0")
missing=""
for package in $(grep -v '^#' "$here/packages.txt") "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  as_root=""
elif sudo -n true 2>/dev/null; then
  as_root="sudo"
else
  echo "assay needs these packages; run:" >&2
  echo "sudo apt-get update && sudo apt-get install --no-install-recommends -y$missing" >&2
  exit 1
fi
echo "installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq >&2
# shellcheck disable=SC2086  # a list of package names
$as_root apt-get install --no-install-recommends -y -qq $missing >&2
