#!/usr/bin/env bash
# What a large backlog costs: queues mails for destinations that are down, looks at intake and memory, delivers mail for
# another domain beside them, asks for pages of them, removes some, and starts again after a graceful stop and after
# kill -9.
#
#   scripts/backlog.sh [mails, default 1000000] [dead domains, default 1]
#
# Needs some 2.5 GB of disk for a million mails of 2 KiB, and takes a few minutes for each. Of ten million it makes five
# where less than 30 GB are free, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."
mails=${1:-1000000} domains=${2:-1}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
free=$(df --output=avail -BG "$work" | tail -1 | tr -dc 0-9)
if ((mails >= 10000000 && free < 30)); then
    mails=5000000
    echo "only $free GB are free: $mails mails, for which half of each limit counts"
fi
tagged=$((mails / 10)) # are removed in the end
go build -o "$work/" ./examples/mtad ./examples/source ./examples/sink

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
in=$(free_port) out=$(free_port) dead=$(free_port) web=$(free_port)
for ((i = 1; i <= domains; i++)); do echo "d$i.sink.test:127.1.$((i / 250)).$((i % 250)):$dead"; done > "$work/routes"
echo "alive.test:127.0.0.1:$out" >> "$work/routes"
cat > "$work/mtad.conf" << EOF
smtp-ip: 127.0.0.1
smtp-port: $in
smtp-range: 127.0.0.0/8
www-ip: 127.0.0.1
www-port: $web
smtp-routes: $work/routes
queue-address: disk://$work/queue
database-address: sqlite://$work/settings.db
EOF

wait_port() { until (echo > "/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.02; done; }
now() { date +%s.%N; }
since() { echo "$(now) - $1" | bc; }
start() {
    "$work/mtad" --config-file "$work/mtad.conf" 2>> "$work/log" &
    mtad=$!
    wait_port "$in"
}
send() { # number, domains, more flags
    "$work/source" --connect "127.0.0.1:$in" --sessions 20 --messages "$1" --domains "$2" --size 2KiB --max-time 60m "${@:3}" | sed -n 1p
}
memory() { grep -E 'VmHWM|VmRSS' "/proc/$mtad/status" | tr -s '\t\n ' ' '; echo; }
sink() {
    "$work/sink" --listen "127.0.0.1:$out" --expect "$1" --max-time 5m > "$work/sink.out" &
    sink=$!
    wait_port "$out"
}
alive() { sink "$1"; send "$1" alive.test; wait "$sink"; grep received "$work/sink.out"; }
page() { # path of the API: how long its first page takes, and how many messages it has
    curl -s -o "$work/page" -H "Authorization: Bearer $token" -w '%{time_total} s' "http://127.0.0.1:$web/v1/messages?limit=100&$1"
    echo " for ${1:-all}: $(jq '.messages | length' "$work/page") messages"
}

start
token=$("$work/mtad" ctl --config-file "$work/mtad.conf" token add backlog 2>> "$work/log")
echo "first 50,000 of $mails to $domains dead destinations:"; send 50000 "$domains"; memory
echo "all but $tagged and the last 50,000:"; send $((mails - tagged - 100000)) "$domains"; memory
echo "$tagged with a tag:"; send "$tagged" "$domains" --header "x-mq-tag: removed"; memory
echo "last 50,000:"; send 50000 "$domains"; memory
echo "queue on disk: $(du -sh "$work/queue" | cut -f1)"
echo "20,000 to another domain:"; alive 20000
echo "first pages:"
for filter in "" domain=d1.sink.test domain=nowhere.test tag=removed tag=none state=parked recipient=nobody@d1.sink.test \
    text=removed text=nothing-has-this older-than=1h; do page "$filter"; done

for how in TERM KILL; do
    began=$(now); kill -$how "$mtad"; wait "$mtad" 2>/dev/null || true
    echo "stopped by SIG$how after $(since "$began") s"
    sink 1
    began=$(now); start; send 1 alive.test > /dev/null; wait "$sink"
    echo "started and delivered a new mail after $(since "$began") s"; sleep 3; memory
done

echo "40,000 to another domain alone:"; alive 40000
echo "the same while $tagged are removed:"
began=$(now)
(curl -s -X POST -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"tag":"removed"}' \
    "http://127.0.0.1:$web/v1/messages/drop"; echo; echo "removed after $(since "$began") s") &
removal=$!
alive 40000; wait "$removal"; memory
