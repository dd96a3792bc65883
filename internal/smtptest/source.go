package smtptest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Source sends mails over many sessions at once, as fast as they are taken or at a given rate. Set its fields before
// Run; a Source is for one Run.
type Source struct {
	// Address is where to connect to, "host:port".
	Address string
	// Dial makes connections; nil means TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// AllowRemote permits addresses that are not on loopback, when Dial is nil.
	AllowRemote bool
	// Sessions is how many connections work at the same time; zero means 1.
	Sessions int
	// Messages is how many mails are sent in all; zero means no end but the context's.
	Messages int64
	// First is the number of the first recipient; zero means 1.
	First int64
	// Size is the size of a mail in bytes, header included; zero means 10 KiB.
	Size int
	// Recipients is how many each mail has; zero means 1.
	Recipients int
	// Domains are those of the recipients, used in turn; nil means sink.test.
	Domains []string
	// From is the sender; "" means source@source.test.
	From string
	// PerConnection is how many mails go over one connection before a new one is made; zero means all.
	PerConnection int
	// Rate is how many mails are begun a second, all sessions together; zero means as many as possible.
	Rate float64
	// NoNumbers leaves out X-Sluice-Seq and X-Sluice-Sum, and the numbers in the recipients' addresses.
	NoNumbers bool
	// Header holds more header lines, each with its CRLF, that every mail begins with.
	Header string
	// Personal gives each mail a text of its own: its last line has the number. Otherwise all bodies are the same.
	Personal bool
	// Serial waits for each reply before the next command, instead of sending MAIL, RCPT and DATA in one flight.
	Serial bool
	// TLS makes sessions use STARTTLS; nil does not.
	TLS *tls.Config
	// Accepted, unless nil, is called for each mail that was answered 250 with the numbers of the recipients that were
	// taken, from many goroutines. The slice is valid during the call.
	Accepted func(numbers []int64)

	next     atomic.Int64 // mails begun
	accepted atomic.Int64
	failed   atomic.Int64
	body     *load
	start    time.Time
}

// Report is what a run of a Source came to.
type Report struct {
	Accepted   int64            // mails answered 250
	Recipients int64            // of those, as far as they were taken
	Refused    map[int]int64    // replies other than the expected ones, by code
	Errors     map[string]int64 // connections that could not be made or broke, by reason
	Unknown    int64            // mails whose connection broke before their last reply came
	Elapsed    time.Duration
	Latency    Histogram // from the first command of a mail to its last reply
}

// PerSecond returns the rate of accepted mails.
func (r *Report) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Accepted) / r.Elapsed.Seconds()
}

// Finished returns how many mails are done with, accepted or not.
func (s *Source) Finished() int64 { return s.accepted.Load() + s.failed.Load() }

// Run sends until all mails are sent or ctx ends, and then reports. It returns an error, and sends nothing, when a
// field makes no sense or the address is not allowed.
func (s *Source) Run(ctx context.Context) (*Report, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	s.start = time.Now()
	sessions := make([]*client, s.Sessions)
	var wg sync.WaitGroup
	for i := range sessions {
		c := newClient(s)
		sessions[i] = c
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
	report := &Report{Elapsed: time.Since(s.start), Refused: map[int]int64{}, Errors: map[string]int64{}}
	for _, c := range sessions {
		c.addTo(report)
	}
	return report, nil
}

func (s *Source) prepare(ctx context.Context) error {
	if s.Sessions < 0 || s.Messages < 0 || s.Size < 0 || s.Recipients < 0 || s.PerConnection < 0 || s.Rate < 0 {
		return errors.New("source: a count, size or rate is negative")
	}
	s.Sessions = max(s.Sessions, 1)
	s.Recipients = max(s.Recipients, 1)
	s.First = max(s.First, 1)
	if s.Messages > 0 {
		s.Sessions = int(min(int64(s.Sessions), s.Messages))
	}
	if s.Size == 0 {
		s.Size = 10 << 10
	}
	if len(s.Domains) == 0 {
		s.Domains = []string{"sink.test"}
	}
	if s.From == "" {
		s.From = "source@source.test"
	}
	if text := strings.Join(s.Domains, "") + s.From; strings.ContainsAny(text, "\r\n<>") {
		return fmt.Errorf("source: an address or domain holds a character that is not allowed: %q", text)
	}
	s.body = newLoad(s)
	if s.Dial != nil {
		return nil
	}
	s.Dial = dialTCP
	if s.AllowRemote {
		return nil
	}
	return onLoopback(ctx, s.Address)
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", address)
}

// onLoopback refuses an address that leads off this machine: load is not to hit strangers by mistake.
func onLoopback(ctx context.Context, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("source: address %q: %w", address, err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return fmt.Errorf("source: %s is %s, which is not on loopback, and remote targets are not allowed", host, ip)
		}
	}
	return nil
}

// due returns when mail i (from 0) is to be begun.
func (s *Source) due(i int64) time.Time {
	if s.Rate == 0 {
		return time.Time{}
	}
	return s.start.Add(time.Duration(float64(i) / s.Rate * float64(time.Second)))
}

// Domains returns n domain names below parent: "d1.parent", "d2.parent" and so on.
func Domains(n int, parent string) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "d" + strconv.Itoa(i+1) + "." + parent
	}
	return names
}

// LocalAddr returns the address of a listener on loopback as netip has it.
func LocalAddr(l net.Listener) netip.AddrPort {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port))
}
