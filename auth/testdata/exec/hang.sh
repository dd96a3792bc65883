#!/bin/sh
# Writes the process ids of itself and of a child to the file that is given as user name, and hangs, as its child does.
trap '' TERM INT
sleep 3600 &
echo $$ $! >"$MAILERQ_USERNAME.new"
mv "$MAILERQ_USERNAME.new" "$MAILERQ_USERNAME"
wait
sleep 3600
