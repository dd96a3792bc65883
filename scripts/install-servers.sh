#!/usr/bin/env bash
# Installs the real servers that the integration tests talk to, on Debian or Ubuntu. What is there already is left alone.
# None of them is started as a service: the tests start their own on loopback, in temporary directories.
set -euo pipefail

# FerretDB, which speaks MongoDB's protocol, is a Go module of its own beside the tests. It is built into the user's
# cache: minutes the first time, and in a moment later. Tests look for it there.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice-test
ferret=$cache/ferretdb
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cp "$(dirname "$0")"/../internal/testserver/testdata/ferret/go.{mod,sum} "$build"
cp "$(dirname "$0")"/../internal/testserver/testdata/ferret/main.go.txt "$build/main.go"
[ -e "$ferret" ] || echo "install-servers: building FerretDB" >&2
mkdir -p "$cache"
(cd "$build" && GOFLAGS= GOWORK=off go build -o ferretdb . && mv ferretdb "$ferret")

packages=(
    dnsmasq-base # a DNS server configured on its command line
    knot         # an authoritative server with a signed zone
    knot-dnsutils
    unbound      # a validating resolver
    postfix      # the peer in benchmarks; smtp-sink as a target
    swaks        # an SMTP client
    php-cli      # programs that call sendmail
    mutt
    s-nail
    git-email
    redis-server # limits shared between instances
    dante-server # SOCKS and HTTP proxies that mail leaves through
    tinyproxy
    haproxy      # PROXY headers in front of the SMTP server
    postgresql   # settings databases beside SQLite
    mariadb-server
    slapd        # LDAP logins
    ldap-utils
    freeradius   # RADIUS logins
    freeradius-utils
    whois        # mkpasswd
    rabbitmq-server # the broker; brings erl_call
    libpam0g-dev # to build with the tag pam
    gcc
    libc6-dev
    argon2
    spamassassin # scores mail for checks/spamd; its stock rules, without network tests
    spamd
    spamc
    clamav-daemon # scans mail for checks/clamd, with a signature file of the tests' own
    dovecot-imapd # mailboxes that are read back
    dovecot-pop3d
    dovecot-lmtpd
    python3-spf  # a second opinion on SPF
    opendmarc    # a second opinion on DMARC
    publicsuffix # which it needs
    python3-dkim # the other side for DKIM and ARC: dkimsign, arcsign
    python3-jsonschema # holds TLS reports against their schema
    prometheus   # scrapes mtad; promtool, which looks at metrics and alert rules
    systemd      # systemd-analyze, which looks at the unit; nothing is started
    groff        # show manual pages, and find fault with them
    mandoc
    zsh          # complete what is typed behind mtad
    fish
    chromium     # drives the console in a real browser
)

command -v npm > /dev/null || packages+=(npm) # where it came with Node.js it has no package of its own

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
done

# Installs what is missing, and keeps the packages from starting services meanwhile.
install_missing() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "install-servers: not root; install these yourself, or have their tests fail: ${missing[*]}" >&2
        exit 1
    fi
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
        trap 'rm -rf "$build" "$policy"' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
[ ${#missing[@]} -eq 0 ] || install_missing

# axe-core holds the console's pages against the rules of accessibility. One file of its package goes into the cache.
version=4.14.1
package=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
script=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
axe=$cache/axe-core-$version.js
is() { echo "$1  $2" | sha256sum --check --status 2> /dev/null; }
if ! is $script "$axe"; then
    echo "install-servers: fetching axe-core" >&2
    (cd "$build" && npm pack --silent "axe-core@$version" > /dev/null)
    is $package "$build/axe-core-$version.tgz" || { echo "install-servers: axe-core is not what it should be" >&2; exit 1; }
    tar -xzf "$build/axe-core-$version.tgz" -C "$build" package/axe.min.js
    mv "$build/package/axe.min.js" "$axe"
fi
