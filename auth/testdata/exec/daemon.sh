#!/bin/sh
# Accepts, but leaves a daemon behind that is not in its process group and keeps standard error open for ten seconds.
setsid sh -c 'sleep 10' &
exit 0
