#!/usr/bin/env bash
# Runs every fuzz target for a while, tells at the end which of them failed: scripts/fuzz.sh [time each, default 20s]
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-20s}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=()

# A target runs where it lies, in the module it belongs to. Interesting inputs are made smaller for a moment only: the
# default, a minute each, is longer than a target has.
fuzz() {
    (cd "$1" && go test . -run '^$' -fuzz "^$2\$" -fuzztime "$each" -fuzzminimizetime 100x) </dev/null 2>&1 | tee "$out"
}

# late tells of a run that found nothing and ended a moment late, which Go before 1.27 calls a failure
# (https://go.dev/issue/75804).
late() {
    grep -q '^ *context deadline exceeded$' "$out" && ! grep -qE 'Failing input|panic|terminated unexpectedly' "$out"
}

for dir in $(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do
    for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
        echo "== $dir $target"
        fuzz "$dir" "$target" || late || failed+=("$dir $target")
    done
done

if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
