package resolver

import (
	"context"

	"github.com/miekg/dns"
)

// Validates reports whether the servers validate by DNSSEC: they say so (AD) of the root zone, which is signed. It asks
// them anew each time. The error says why nobody knows.
func (r *Resolver) Validates(ctx context.Context) (bool, error) {
	answer, err := r.ask(ctx, "", dns.TypeSOA)
	if err != nil {
		return false, err
	}
	return answer.AuthenticatedData, nil
}

// ServerState is how a server that is asked is doing.
type ServerState struct {
	Address string // host:port
	Silent  bool   // it did not answer when it was asked last
}

// Servers returns the servers that are asked, in their order.
func (r *Resolver) Servers() []ServerState {
	var all []ServerState
	if current := r.servers.current.Load(); current != nil {
		for _, s := range *current {
			all = append(all, ServerState{s.address, s.unanswered.Load() >= lastAfter})
		}
	}
	return all
}
