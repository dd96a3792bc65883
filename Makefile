# make test    installs the servers that the tests need, builds, checks, and runs every test but those of test-rabbitmq
# make check   vet, staticcheck, gofmt, and the arrows between rooms
# make test-rabbitmq  the tests of queue/rabbitmq, which start, kill and cut off brokers of their own
# make race    every test under the race detector
# make bench   source -> mtad -> sink beside a bare relay and Postfix
# make fuzz    every fuzz target, 20 s each (FUZZTIME=1m for longer)

FUZZTIME ?= 20s

.PHONY: test test-rabbitmq check race bench fuzz servers

test: servers check
	go build ./...
	SLUICE_REQUIRE_SERVERS=1 go test -timeout 10m ./...
	SLUICE_REQUIRE_SERVERS=1 go test -tags pam ./auth/users

check:
	go vet ./...
	go tool staticcheck ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt wants to change:"; echo "$$unformatted"; exit 1; fi
	go test ./internal/house

test-rabbitmq: servers
	SLUICE_RABBITMQ=1 SLUICE_REQUIRE_SERVERS=1 go test -timeout 10m ./queue/rabbitmq

race: servers
	SLUICE_REQUIRE_SERVERS=1 go test -race -timeout 20m ./...

bench:
	go run ./internal/bench $(BENCHFLAGS)

fuzz:
	scripts/fuzz.sh $(FUZZTIME)

servers:
	scripts/install-servers.sh
