package smtptest

// Farewell is how a Sink tells a client that a connection has brought all the mails it may.
type Farewell uint8

// The farewells.
const (
	RefuseMail  Farewell = iota // the next MAIL is answered 421, and the connection is closed
	DeferMail                   // each further MAIL is answered 452, and the connection stays
	CloseAtMail                 // the next MAIL is answered by closing
	CloseAtOnce                 // the connection is closed behind the answer to the last mail
	Announce                    // the answer to the last mail is followed by 421, and the connection is closed
)

// String says what the client sees.
func (f Farewell) String() string {
	return [...]string{"421 at MAIL", "452 at MAIL", "closes at MAIL", "closes after 250",
		"421 after 250"}[min(f, Announce)]
}

const tooMany = " Too many messages on this connection"

// full reports whether the connection has brought all the mails it may.
func (s *session) full() bool { return s.sink.MaxMessages > 0 && s.messages >= s.sink.MaxMessages }

// refuseMore answers a MAIL that is one too many.
func (s *session) refuseMore() error {
	switch s.sink.Farewell {
	case DeferMail:
		s.reply(452, "4.5.3"+tooMany)
		return nil
	case RefuseMail:
		s.reply(421, "4.7.0"+tooMany)
	}
	return errEnd
}

// partAfterMail ends the connection behind the answer to its last mail, where that is what it does.
func (s *session) partAfterMail() error {
	if !s.full() || s.sink.Farewell < CloseAtOnce {
		return nil
	}
	if s.sink.Farewell == Announce {
		s.reply(421, "4.7.0"+tooMany)
	}
	return errEnd
}
