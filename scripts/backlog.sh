#!/usr/bin/env bash
# What a large backlog costs: queues mails for a destination that is down, looks at intake and memory, delivers mail for
# another domain beside them, and starts again after a graceful stop and after kill -9.
#
#   scripts/backlog.sh [mails, default 1000000]
#
# Needs some 2.5 GB of disk for a million mails of 2 KiB, and takes a few minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
mails=${1:-1000000}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/" ./examples/mtad ./examples/source ./examples/sink

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
in=$(free_port) out=$(free_port) dead=$(free_port)
printf 'dead.test:127.0.0.1:%s\nalive.test:127.0.0.1:%s\n' "$dead" "$out" > "$work/routes"

wait_port() { until (echo > "/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.02; done; }
now() { date +%s.%N; }
since() { echo "$(now) - $1" | bc; }
start() {
    "$work/mtad" --config-file /dev/null --smtp-ip 127.0.0.1 --smtp-port "$in" --smtp-range 127.0.0.0/8 --www-port 0 \
        --smtp-routes "$work/routes" --queue-address "disk://$work/queue" --database-address "sqlite://$work/settings.db" \
        2>> "$work/log" &
    mtad=$!
    wait_port "$in"
}
send() { "$work/source" --connect "127.0.0.1:$in" --sessions 20 --messages "$1" --domains "$2" --size 2KiB --max-time 10m | head -1; }
memory() { grep -E 'VmHWM|VmRSS' "/proc/$mtad/status" | tr -s '\t\n ' ' '; echo; }
sink() {
    "$work/sink" --listen "127.0.0.1:$out" --expect "$1" --max-time 5m > "$work/sink.out" &
    sink=$!
    wait_port "$out"
}

start
echo "first 50,000 of $mails to a dead destination:"; send 50000 dead.test; memory
echo "all but the last 50,000:"; send $((mails - 100000)) dead.test; memory
echo "last 50,000:"; send 50000 dead.test; memory
echo "20,000 to another domain:"; sink 20000; send 20000 alive.test; wait "$sink"; grep received "$work/sink.out"
echo "queue on disk: $(du -sh "$work/queue" | cut -f1)"

for how in TERM KILL; do
    began=$(now); kill -$how "$mtad"; wait "$mtad" 2>/dev/null || true
    echo "stopped by SIG$how after $(since "$began") s"
    sink 1
    began=$(now); start; send 1 alive.test > /dev/null; wait "$sink"
    echo "started and delivered a new mail after $(since "$began") s"; sleep 3; memory
done
