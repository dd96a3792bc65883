# make test    installs the servers that the tests need, builds, checks, and runs every test
# make check   vet, staticcheck, gofmt, and the arrows between rooms
# make race    every test under the race detector
# make bench   source -> mtad -> sink beside a bare relay and Postfix
# make screenshots  every page of the console in the demo, into screenshots/; two of them into docs/images for the README
# make fuzz    every fuzz target, 20 s each (FUZZTIME=1m for longer)

FUZZTIME ?= 20s

.PHONY: test check race bench screenshots fuzz servers

test: servers check
	go build ./...
	SLUICE_REQUIRE_SERVERS=1 go test -timeout 10m ./...
	SLUICE_REQUIRE_SERVERS=1 go test -tags pam ./auth/users

check:
	go vet ./...
	go tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt wants to change:"; echo "$$unformatted"; exit 1; fi
	go test ./internal/house

race: servers
	SLUICE_REQUIRE_SERVERS=1 go test -race -timeout 20m ./...

bench:
	go run ./internal/bench $(BENCHFLAGS)

screenshots:
	go run ./internal/screenshots --out screenshots --docs docs/images

fuzz:
	scripts/fuzz.sh $(FUZZTIME)

servers:
	scripts/install-servers.sh
