package doctor

import (
	"context"
	"crypto/rand"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// slowAnswer is how long a server may take for a name that it has just answered about.
const slowAnswer = 300 * time.Millisecond

// publics are resolvers for everybody, which block lists refuse to answer.
var publics = []string{"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222",
	"208.67.220.220", "2001:4860:4860::8888", "2001:4860:4860::8844", "2606:4700:4700::1111", "2620:fe::fe"}

// checkResolver asks each DNS server itself.
func checkResolver(r *round) {
	each(r.Servers, func(server string) {
		answer, _, err := r.ask(server, ".", dns.TypeSOA)
		if err != nil || answer.Rcode != dns.RcodeSuccess {
			what := "it does not answer"
			if err == nil {
				what = "it answers " + dns.RcodeToString[answer.Rcode] + " when asked for the root zone"
			}
			r.fail("resolver-silent", server, what, "mend it, or name another in dns-servers")
			return
		}
		if _, took, err := r.ask(server, ".", dns.TypeSOA); err == nil && took > slowAnswer {
			r.warn("resolver-slow", server, "it took "+took.Round(time.Millisecond).String()+" for what it had just answered",
				"run a resolver on this machine")
		}
		if r.Validating && !answer.AuthenticatedData {
			r.warn("resolver-not-validating", server,
				"it does not validate by DNSSEC (no AD for the root zone): DANE has no effect",
				"have it validate, or name one that does in dns-servers")
		}
		nobody := "doctor-" + strings.ToLower(rand.Text()) + ".invalid."
		if lie, _, err := r.ask(server, nobody, dns.TypeA); err == nil && len(lie.Answer) > 0 {
			r.fail("resolver-lies", server, "it has an address for a name that cannot exist: bounces and block lists go wrong",
				"name another server in dns-servers")
		}
		host, _, _ := net.SplitHostPort(server)
		if len(r.BlockLists) > 0 && slices.Contains(publics, host) {
			r.warn("resolver-public", server, "it is for everybody: block lists do not answer it",
				"run a resolver on this machine")
		}
	})
	r.checkOpen()
}

// checkOpen asks the sending addresses as if they were resolvers: none should answer.
func (r *round) checkOpen() {
	each(r.Sources, func(s Source) {
		answer, _, err := r.ask(net.JoinHostPort(s.IP.String(), "53"), ".", dns.TypeNS)
		if err == nil && answer.RecursionAvailable && answer.Rcode == dns.RcodeSuccess && len(answer.Answer) > 0 {
			r.warn("resolver-open", s.IP.String(),
				"a resolver answers on this public address: strangers may use it to attack others",
				"have it listen on 127.0.0.1 only, or allow your networks only")
		}
	})
}

// ask asks one server, with DNSSEC, and tells how long the answer took.
func (r *round) ask(server, name string, kind uint16) (*dns.Msg, time.Duration, error) {
	ctx, cancel := context.WithTimeout(r.ctx, 3*time.Second)
	defer cancel()
	question := new(dns.Msg).SetQuestion(name, kind)
	question.SetEdns0(1232, true)
	question.AuthenticatedData = true
	conn, err := r.dial(ctx, "udp", server)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	begun := time.Now()
	answer, _, err := new(dns.Client).ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: conn})
	return answer, time.Since(begun), err
}
