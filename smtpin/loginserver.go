package smtpin

import "github.com/emersion/go-sasl"

// NewLoginServer returns the server side of the LOGIN mechanism, which go-sasl has only the client side of. It asks for
// a name and a password and gives them to authenticate, whose error becomes the reply.
func NewLoginServer(authenticate func(username, password string) error) sasl.Server {
	return &loginServer{authenticate: authenticate}
}

type loginServer struct {
	authenticate func(username, password string) error
	username     string
	named, done  bool
}

// Next answers a response of the client.
func (s *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case s.done:
		return nil, false, sasl.ErrUnexpectedClientResponse
	case response == nil:
		return []byte("Username:"), false, nil
	case !s.named:
		s.username, s.named = string(response), true
		return []byte("Password:"), false, nil
	}
	s.done = true
	return nil, true, s.authenticate(s.username, string(response))
}

// Username returns the name that the client gave.
func (s *loginServer) Username() string { return s.username }
