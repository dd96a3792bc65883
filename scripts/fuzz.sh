#!/usr/bin/env bash
# Runs every fuzz target for a while: scripts/fuzz.sh [time each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-20s}

grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
    grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //' | while read -r target; do
        echo "== $dir $target"
        go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$each" </dev/null
    done
done
