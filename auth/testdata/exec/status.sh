#!/bin/sh
# Exits with the status that is given as user name.
exit "$MAILERQ_USERNAME"
