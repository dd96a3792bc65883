package resolver

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
