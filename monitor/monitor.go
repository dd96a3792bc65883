package monitor

import (
	"net/netip"
	"time"
)

// Monitor is told what happens. Its methods are called on the path of every message, from many goroutines: they must
// not block.
type Monitor interface {
	// Observe tells of an event. The event and what it refers to are valid only during the call.
	Observe(*Event)
	// Tap begins the transcript of an SMTP session, in either direction.
	Tap(Session) Transcript
}

// Transcript receives what an SMTP session says while somebody watches.
type Transcript interface {
	// Watched reports whether anybody watches now: one atomic load, asked before each flight. Watchers may join midway.
	Watched() bool
	// Line gives one flight of lines in one direction, secrets already masked. It copies data and must not block.
	Line(d Direction, data []byte)
	// Close ends the transcript.
	Close()
}

// MailTranscript is the add-on of Transcripts whose watchers may ask for the mails themselves, for which only a word
// stands in the lines.
type MailTranscript interface {
	Transcript
	// MailWanted returns how many bytes of the next mail somebody wants to see; zero: nobody does. One atomic load.
	MailWanted() int
	// Mail gives the begin of a mail that is size bytes long, after the line with the word that stands for it. It
	// copies what is wanted and must not block.
	Mail(d Direction, begin []byte, size int64)
}

// Session describes an SMTP session to its watchers.
type Session struct {
	Incoming      bool
	Local, Remote netip.AddrPort
	Domain        string // the target site, for outgoing sessions
}

// Direction tells who speaks.
type Direction uint8

// The directions of a transcript.
const (
	FromRemote Direction = iota
	FromUs
)

// Kind says what happened.
type Kind uint8

// The kinds of events. The fields of Event that each one sets are given in brackets, beside Time.
const (
	_ Kind = iota

	// Intake.
	ClientConnected    // a client came [MTA Remote]
	ClientDisconnected // it went [MTA Remote]
	ClientRefused      // it was refused at the greeting [MTA Remote Text]
	CommandRefused     // a command was refused: MAIL, RCPT, AUTH, DATA [MTA Remote Code Text]
	// stored, to be answered with 250; one event a recipient [MTA Remote Domain Tags Bytes Stages Message]
	MessageReceived

	// Delivery.
	Picked       // read from the outbox into memory [Domain Tags Bytes]
	Parked       // out of memory again, parked [Domain Tags Text: why]
	Left         // out of memory again, in any other way [Domain Tags]
	Reassigned   // took another source address than planned [MTA Domain Tags]
	NotTried     // finished without an attempt: expired, suppressed, forced [MTA Domain Tags Code Text Message Result]
	Attempted    // an attempt over the wire begins [MTA Domain Tags Since]
	Delivered    // accepted by the remote [MTA Remote Domain Tags Bytes Code Since Stages Message Result]
	Retried      // failed for now [MTA Remote Domain Tags Code Text Since Stages Message Result]
	Failed       // failed for good [MTA Remote Domain Tags Code Text Since Stages Message Result]
	Strange      // the remote said something that makes no sense [MTA Remote Domain Text]
	ConnStarting // an outgoing connection is being made [MTA Remote Domain]
	ConnReady    // it is established, greeted and secured [MTA Remote Domain Stages]
	ConnFailed   // it could not be made; ends ConnStarting [MTA Remote Domain Text Stages]
	ConnIdle     // it waits for work [MTA Remote Domain]
	ConnBusy     // it works again; ends ConnIdle [MTA Remote Domain]
	ConnClosed   // an established one ended; one that was idle is busy again first [MTA Remote Domain]

	// Feedback.
	Reported // a report about mail that was sent, such as a bounce, was read [Domain Tags Code Text Message]
)

// Event is something that happened. Fields without a meaning for its Kind are zero.
type Event struct {
	Kind   Kind
	Time   time.Time
	MTA    netip.Addr     // local address
	Remote netip.AddrPort // other end
	Domain string         // recipient domain, lower case
	Tags   []string
	Bytes  int64  // size of the mail
	Code   int    // SMTP reply code
	Class  string // why an attempt failed, without what is behind a slash: of Retried, Failed and NotTried
	Text   string
	TLS    TLS // of Delivered, Retried and Failed

	Since  time.Time // when the message was received, or for when it was handed in; zero: unknown
	Stages Stages

	// Message is a *queue.Message and Result a *queue.Result, where the kind has them. They ride along untyped, so that
	// this package imports none of its siblings; see Record.
	Message, Result any
}

// TLS is how an attempt was secured, and how it had to be; zero: not at all, or it came not so far.
type TLS struct {
	Protocol              string // "TLSv1.3"
	Policy, Mode, Failure string // as in tls-policy of results
}

// Stages are how long the parts of what an event tells of took; zero: there was none.
type Stages struct {
	// Of taking a mail in; the event of the first of its recipients alone has them.
	Read, Check, Store time.Duration
	// Of making a connection, the last one that failed included. Greeting is all that is said before a mail but TLS. An
	// attempt has them when it was the first over the connection.
	Connect, Greeting, TLS time.Duration
	// Of an attempt: its envelope, and the mail itself with the reply to it.
	Envelope, Mail time.Duration
}

// Intake is for how long a client that sent all of a mail waits for the reply.
func (s *Stages) Intake() time.Duration { return s.Check + s.Store }

// Attempt is how long a mail took over an open connection.
func (s *Stages) Attempt() time.Duration { return s.Envelope + s.Mail }

// Record is what logs ask of an event's Message and Result. AppendRecord appends one JSON object without the mail and
// without secrets. Property returns the text of a property named by a path with dots ("connection.remote-ip"); an
// underscore in the path matches a dash. An array is printed as MailerQ's logs do: [ "a", "b" ], an empty one as [ ].
type Record interface {
	AppendRecord(dst []byte) []byte
	Property(path string) (string, bool)
}

// Tracer follows some mails from intake to result. It is asked by what takes mail in; what follows it learns as a
// Monitor, from the messages of events. Its methods must not block.
type Tracer interface {
	// Begin decides whether a mail is followed. parent is the W3C trace context that came with it, as in HTTP's header
	// traceparent; "": none. The answer is the context that its messages carry along as their property "traceparent";
	// "": it is not followed.
	Begin(parent string) (own string)
	// Received tells of a mail that is followed and was stored, since when it came in and how long its stages took.
	Received(parent, own string, begun time.Time, stages *Stages)
}

// Attempter is the add-on of a message's Record that knows how many attempts were made so far, the present one
// included.
type Attempter interface {
	Attempts() int
}

// Discard is a Monitor that ignores everything.
var Discard Monitor = discard{}

type discard struct{}

func (discard) Observe(*Event)         {}
func (discard) Tap(Session) Transcript { return noTranscript{} }

type noTranscript struct{}

func (noTranscript) Watched() bool          { return false }
func (noTranscript) Line(Direction, []byte) {}
func (noTranscript) Close()                 {}
