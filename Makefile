# make test    installs the servers that the tests need, builds, checks, and runs every test
# make check   vet, staticcheck, gofmt, and the arrows between rooms
# make race    every test under the race detector, and the engine with the order of its locks checked
# make bench   source -> mtad -> sink beside a bare relay and Postfix
# make audit   every page of the console in the demo against axe-core's rules: light and dark, 1440, 1024 and 390 pixels
# make screenshots  every page of the console in the demo, into screenshots/; two of them into docs/images for the README
# make mailshots  responsive mails as phones and desktops show them, into screenshots/mails
# make package  .deb and .rpm of mtad, for amd64 and arm64, into packages/; the same commit makes the same bytes
# make fuzz    every fuzz target, 20 s each (FUZZTIME=1m for longer)

# Two modules, each with a go.mod of its own: the kit, and in dev what only its developers need. What is said of ./...
# in one leaves out the other, so each target goes through both.
MODULES = . dev
each = set -e; for module in $(MODULES); do echo "in $$module: $(1)"; (cd $$module && $(1)); done

FUZZTIME ?= 20s

.PHONY: test check race bench audit screenshots mailshots package fuzz servers

test: export SLUICE_REQUIRE_SERVERS = 1
test: servers check
	@$(call each,go build ./...)
	@$(call each,go test -timeout 10m ./...)
	go test -tags pam ./auth/users

check:
	@$(call each,go vet ./...)
	@set -e; staticcheck=$$(go -C dev tool -n staticcheck); $(call each,$$staticcheck ./...)
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt wants to change:"; echo "$$unformatted"; exit 1; fi
	go test ./internal/house

race: export SLUICE_REQUIRE_SERVERS = 1
race: servers
	@$(call each,go test -race -timeout 20m ./...)
	go test -short -tags lockorder ./delivery ./delivery/internal/...

bench:
	go -C dev run ./bench $(BENCHFLAGS)

audit: servers
	go -C dev run ./screenshots --audit

screenshots:
	go -C dev run ./screenshots --out ../screenshots --docs ../docs/images

mailshots:
	go -C dev run ./screenshots --mails ../delivery/render/blocks/testdata/objects --out ../screenshots/mails

package:
	@set -e; mkdir -p packages; for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build -trimpath -buildvcs=true -ldflags=-s -o packages/mtad-$$arch ./examples/mtad; \
		scripts/package.sh packages $$arch packages/mtad-$$arch; \
	done

fuzz:
	scripts/fuzz.sh $(FUZZTIME)

servers:
	scripts/install-servers.sh
