package resolver

import (
	"strings"
	"time"

	"github.com/miekg/dns"
)

// maxChain is how many CNAMEs are followed for one look-up.
const maxChain = 10

// maxNegativeTTL bounds how long "there is none" is believed (RFC 2308 §5 suggests one to three hours).
const maxNegativeTTL = 3 * time.Hour

// Answer is what the DNS says to a question. It is shared: do not change it.
type Answer struct {
	// Name is where the records stand: the name asked for, or what its CNAMEs lead to.
	Name string
	// Records are of the type asked for, at least one.
	Records []dns.RR
	// Aliases are the names that turned out to be CNAMEs, in the order in which they were followed.
	Aliases []string
	// Authentic says that a trusted server validated all of it by DNSSEC.
	Authentic bool
	// Expires is when the answer is to be asked for again.
	Expires time.Time
}

// step is what one server's answer contributes to a look-up: records, a failure, or a name to go on with.
type step struct {
	name    string // where the chain ended
	aliases []string
	records []dns.RR
	kind    Kind          // NXDomain, NoData, Loop; zero: records, or ask for name
	ttl     time.Duration // as the answer has it
	hasTTL  bool
}

// readAnswer takes from msg, an answer with code NOERROR or NXDOMAIN, what concerns the question.
func readAnswer(msg *dns.Msg, name string, qtype uint16) step {
	s := step{name: wireName(name)}
	for range maxChain + 1 {
		if qtype != dns.TypeCNAME || len(s.aliases) > 0 {
			if target, ttl, ok := findAlias(msg.Answer, s.name); ok {
				s.aliases = append(s.aliases, plainName(s.name))
				s.lower(ttl)
				s.name = strings.ToLower(target)
				if s.visited(plainName(s.name)) {
					s.kind = Loop
					return s
				}
				continue
			}
		}
		s.collect(msg, qtype)
		return s
	}
	s.kind = Loop
	return s
}

// collect takes the records of the name at which the chain ended, or finds out why there are none.
func (s *step) collect(msg *dns.Msg, qtype uint16) {
	for _, rr := range msg.Answer {
		h := rr.Header()
		if h.Rrtype == qtype && h.Class == dns.ClassINET && strings.EqualFold(h.Name, s.name) {
			s.records = append(s.records, rr)
			s.lower(h.Ttl)
		}
	}
	if len(s.records) > 0 {
		return
	}
	soa := findSOA(msg.Ns)
	switch {
	case msg.Rcode == dns.RcodeNameError:
		s.kind = NXDomain
	case soa != nil || len(s.aliases) == 0:
		s.kind = NoData
	default:
		return // a CNAME whose target the server left out
	}
	if soa != nil {
		s.lower(min(soa.Minttl, soa.Hdr.Ttl))
		s.ttl = min(s.ttl, maxNegativeTTL)
	} else {
		s.ttl, s.hasTTL = 0, true
	}
}

// lower lets the answer live no longer than seconds.
func (s *step) lower(seconds uint32) {
	if seconds > 1<<31-1 {
		seconds = 0 // RFC 2181 §8
	}
	ttl := time.Duration(seconds) * time.Second
	if !s.hasTTL || ttl < s.ttl {
		s.ttl, s.hasTTL = ttl, true
	}
}

func (s *step) visited(name string) bool {
	for _, alias := range s.aliases {
		if alias == name {
			return true
		}
	}
	return false
}

func findAlias(records []dns.RR, name string) (target string, ttl uint32, ok bool) {
	for _, rr := range records {
		if c, isAlias := rr.(*dns.CNAME); isAlias && c.Hdr.Class == dns.ClassINET && strings.EqualFold(c.Hdr.Name, name) {
			return c.Target, c.Hdr.Ttl, true
		}
	}
	return "", 0, false
}

func findSOA(records []dns.RR) *dns.SOA {
	for _, rr := range records {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

// answers reports whether msg is an answer to question: the very question, not just any with the same id. Servers that
// could not read the question may leave it out of their refusal.
func answers(msg *dns.Msg, question dns.Question) bool {
	if !msg.Response || msg.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(msg.Question) == 0 {
		return msg.Rcode == dns.RcodeFormatError || msg.Rcode == dns.RcodeNotImplemented ||
			msg.Rcode == dns.RcodeRefused || msg.Rcode == dns.RcodeServerFailure
	}
	q := msg.Question[0]
	return len(msg.Question) == 1 && q.Qtype == question.Qtype && q.Qclass == question.Qclass &&
		strings.EqualFold(q.Name, question.Name)
}
