package resolver

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// exchange is one question on its way through the servers: several tries may be under way at once.
type exchange struct {
	r        *Resolver
	ctx      context.Context
	question dns.Question
	servers  []*server
	failed   []bool  // by index in servers: it answered, but to no avail
	plain    []bool  // likewise: it does not understand EDNS0
	last     *server // asked last
	replies  chan reply
	cancels  []func()
	sent     int  // tries
	waiting  int  // tries and TCP connections without a reply yet
	lastTry  bool // no more tries to come
	failure  *Error
}

// ask asks the servers and returns the first answer that says something: code NOERROR or NXDOMAIN.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, *Error) {
	now := time.Now()
	servers := r.servers.order(now)
	if err := refusing(servers, now); err != nil {
		return nil, err
	}
	x := &exchange{
		r:        r,
		question: dns.Question{Name: wireName(name), Qtype: qtype, Qclass: dns.ClassINET},
		servers:  servers,
		failed:   make([]bool, len(servers)),
		plain:    make([]bool, len(servers)),
		// Room for every reply that can ever come, so that no socket waits for us: each server may be asked once more
		// without EDNS0, and once over TCP.
		replies: make(chan reply, r.opts.Attempts+2*len(servers)),
		failure: &Error{Name: name, Type: qtype, Kind: Timeout},
	}
	var cancel context.CancelFunc
	x.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	defer x.release()
	return x.run()
}

func (x *exchange) release() {
	for _, cancel := range x.cancels {
		cancel()
	}
}

func (x *exchange) run() (*dns.Msg, *Error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := true
	for {
		if next && !x.lastTry {
			timer.Reset(x.try())
		}
		if x.waiting == 0 && x.lastTry {
			return nil, x.failure
		}
		select {
		case rep := <-x.replies:
			x.waiting--
			msg, goOn := x.judge(rep)
			if msg != nil {
				return msg, nil
			}
			next = goOn
		case <-timer.C:
			if !x.failed[x.index(x.last)] {
				x.last.silent(time.Now())
			}
			if x.lastTry {
				x.failure.Kind, x.failure.Server = Timeout, x.last.address
				return nil, x.failure
			}
			next = true
		case <-x.ctx.Done():
			x.failure.Kind, x.failure.Cause = Stopped, context.Cause(x.ctx)
			return nil, x.failure
		}
	}
}

// try sends the question to the next server and returns how long to wait before the next try.
func (x *exchange) try() time.Duration {
	for x.sent < x.r.opts.Attempts {
		i := x.nextServer()
		if i < 0 {
			break
		}
		x.sent++
		if x.sendTo(i) {
			break
		}
	}
	x.lastTry = x.sent >= x.r.opts.Attempts || x.nextServer() < 0
	if x.lastTry {
		return x.r.opts.Timeout
	}
	return x.r.opts.Interval
}

// nextServer returns the index of the server whose turn it is, -1 when all of them failed.
func (x *exchange) nextServer() int {
	for k := range x.servers {
		if i := (x.sent + k) % len(x.servers); !x.failed[i] {
			return i
		}
	}
	return -1
}

// sendTo sends the question to one server. When that is impossible the server is marked as failed.
func (x *exchange) sendTo(i int) bool {
	srv := x.servers[i]
	x.last = srv
	packet, err := x.packet(!x.plain[i])
	if err != nil {
		x.fail(i, Malformed, "", err)
		return false
	}
	cancel, err := srv.send(x.r, packet, x.question, x.replies)
	if err != nil {
		x.unanswered(i, err)
		return false
	}
	x.cancels = append(x.cancels, cancel)
	x.waiting++
	return true
}

// packet returns the question in wire form, with EDNS0 (RFC 6891) or without.
func (x *exchange) packet(edns bool) ([]byte, error) {
	m := dns.Msg{MsgHdr: dns.MsgHdr{
		RecursionDesired:  true,
		AuthenticatedData: x.r.opts.TrustAD, // asks for the bit in the answer (RFC 6840 §5.7)
		Id:                dns.Id(),         // UDP sockets put their own in its place
	}}
	m.Question = []dns.Question{x.question}
	if edns {
		m.SetEdns0(udpSize, false)
	}
	return m.Pack()
}

// judge looks at the reply to a try. It returns the message when that is the answer; goOn says that the next server is
// to be asked at once.
func (x *exchange) judge(rep reply) (msg *dns.Msg, goOn bool) {
	i := x.index(rep.server)
	if rep.err != nil {
		x.judgeError(i, rep)
		return nil, true
	}
	rep.server.heard()
	switch {
	case rep.msg.Truncated && !rep.tcp:
		x.startTCP(i)
		return nil, false
	case rep.msg.Truncated:
		x.fail(i, Malformed, "truncated over TCP", nil)
	case rep.msg.Rcode == dns.RcodeSuccess, rep.msg.Rcode == dns.RcodeNameError:
		return rep.msg, false
	case (rep.msg.Rcode == dns.RcodeFormatError || rep.msg.Rcode == dns.RcodeNotImplemented) && !x.plain[i]:
		x.plain[i] = true
		return nil, !x.sendTo(i)
	default:
		x.fail(i, ServFail, dns.RcodeToString[rep.msg.Rcode], nil)
	}
	return nil, true
}

// judgeError notes a try that ended without a message: the network failed, or what came was none.
func (x *exchange) judgeError(i int, rep reply) {
	detail := ""
	if rep.tcp {
		detail = "over TCP"
	}
	if !isNetwork(rep.err) {
		x.fail(i, Malformed, detail, rep.err)
		return
	}
	if rep.tcp {
		x.fail(i, Timeout, detail, rep.err)
		return
	}
	x.unanswered(i, rep.err)
}

// unanswered notes a try over UDP that the network failed.
func (x *exchange) unanswered(i int, cause error) {
	now := time.Now()
	x.servers[i].silent(now)
	x.servers[i].refused(cause, now)
	x.fail(i, Timeout, "", cause)
}

// startTCP asks a server again that could not fit its answer into a packet.
func (x *exchange) startTCP(i int) {
	srv, ctx, question, replies := x.servers[i], x.ctx, x.question, x.replies
	packet, err := x.packet(!x.plain[i])
	if err != nil {
		x.fail(i, Malformed, "", err)
		return
	}
	// From here on the server is only heard over TCP.
	x.failed[i] = true
	started := x.r.start(func(context.Context) {
		ctx, cancel := context.WithTimeout(ctx, x.r.opts.Timeout)
		defer cancel()
		msg, err := askTCP(ctx, x.r, srv, packet, question)
		replies <- reply{server: srv, msg: msg, err: err, tcp: true}
	})
	if started {
		x.waiting++
	}
}

// fail notes that a server is of no use for this question, and why.
func (x *exchange) fail(i int, kind Kind, detail string, cause error) {
	x.failed[i] = true
	x.failure.Kind, x.failure.Detail, x.failure.Cause = kind, detail, cause
	x.failure.Server = x.servers[i].address
}

func (x *exchange) index(srv *server) int {
	for i, s := range x.servers {
		if s == srv {
			return i
		}
	}
	return 0 // not reached: replies come from servers that were asked
}
