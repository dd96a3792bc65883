#!/usr/bin/env bash
# usage: scripts/package.sh DIRECTORY ARCH BINARY
# Makes a .deb and an .rpm of mtad in a directory. The version is that of the binary's build information. The same
# commit and binary make the same bytes.
set -euo pipefail
out=$(realpath "$1") BINARY=$(realpath "$3") ARCH=$2
cd "$(dirname "$0")/.."
nfpm=$(go -C dev tool -n nfpm)
VERSION=$(go version -m "$BINARY" | awk '$1 == "mod" { print $3 }')
case $VERSION in v[0-9]*) ;; *) VERSION=v0.0.0 ;; esac # built without version control
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export BINARY ARCH VERSION SOURCE_DATE_EPOCH
for packager in deb rpm; do
    "$nfpm" package --config packaging/nfpm.yaml --packager $packager --target "$out"
done
