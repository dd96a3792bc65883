#!/bin/sh
# Lets in alice and "b o'b" by what arrives on standard input, if the environment says the same.
IFS= read -r user && IFS= read -r password || exit 2
[ "$user" = "$MAILERQ_USERNAME" ] && [ "$password" = "$MAILERQ_PASSWORD" ] || exit 3
[ $# -eq 0 ] || exit 4
case "$user" in
alice) [ "$password" = 'Sesam, öffne: "dich" *' ] ;;
"b o'b") [ "$password" = 'hunter2$(id)`id`' ] ;;
*) exit 1 ;;
esac
