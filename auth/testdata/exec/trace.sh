#!/bin/sh
# Traces itself, so that passwords reach standard error, and complains.
set -x
[ "$MAILERQ_PASSWORD" = x ]
set +x
echo "password for base: '$MAILERQ_PASSWORD'" >&2
echo 'the directory is not there' >&2
exit 1
