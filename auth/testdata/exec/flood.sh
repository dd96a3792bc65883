#!/bin/sh
# Prints megabytes, and accepts.
head -c 8000000 /dev/zero | tr '\0' 'x'
head -c 8000000 /dev/zero | tr '\0' 'e' >&2
exit 0
