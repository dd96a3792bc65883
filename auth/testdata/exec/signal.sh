#!/bin/sh
# Dies by the signal that is given as user name.
kill -s "$MAILERQ_USERNAME" $$
