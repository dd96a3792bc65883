package smtptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// client is one session of a Source: it makes connections, one after the other, and sends mails over them.
type client struct {
	source *Source
	conn   net.Conn
	buf    [8 << 10]byte
	r, w   int
	out    []byte
	vec    [3][]byte
	pieces net.Buffers
	taken  []int64 // recipients of the current mail that were taken

	untouched bool // nothing of the current mail itself was sent
	tries     int  // connections that broke on the current mail, untouched

	recipients int64
	refused    map[int]int64
	errs       map[string]int64
	unknown    int64
	latency    Histogram
}

const (
	replyTimeout = 5 * time.Minute // for the replies to a mail
	maxTries     = 3               // of a mail whose connection broke before it was sent
)

func newClient(s *Source) *client {
	return &client{source: s, refused: map[int]int64{}, errs: map[string]int64{}}
}

func (c *client) addTo(r *Report) {
	r.Accepted += c.latency.Count()
	r.Recipients += c.recipients
	r.Unknown += c.unknown
	r.Latency.Add(&c.latency)
	for code, n := range c.refused {
		r.Refused[code] += n
	}
	for reason, n := range c.errs {
		r.Errors[reason] += n
	}
}

// run works until there is nothing left to send. After a connection that could not be made it waits a little.
func (c *client) run(ctx context.Context) {
	pause := 20 * time.Millisecond
	for i, ok := c.take(ctx); ok; {
		err := c.connect(ctx)
		if err == nil {
			pause = 20 * time.Millisecond
			i, ok, err = c.converse(ctx, i)
		}
		if err != nil && ctx.Err() == nil {
			c.errs[reason(err)]++
			c.sleep(ctx, pause)
			pause = min(2*pause, time.Second)
		}
		ok = ok && ctx.Err() == nil
	}
}

// take reserves the next mail and waits until it is due.
func (c *client) take(ctx context.Context) (i int64, ok bool) {
	if ctx.Err() != nil {
		return 0, false
	}
	i = c.source.next.Add(1) - 1
	if c.source.Messages > 0 && i >= c.source.Messages {
		return 0, false
	}
	if due := c.source.due(i); !due.IsZero() {
		c.sleep(ctx, time.Until(due))
	}
	return i, ctx.Err() == nil
}

func (c *client) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// converse sends mail i and the mails after it over the connection, and returns the one that is next. An error says
// that the connection broke.
func (c *client) converse(ctx context.Context, i int64) (next int64, ok bool, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	defer c.conn.Close()
	if err := c.greet(); err != nil {
		return i, true, err
	}
	for sent := 1; ; sent++ {
		begun := time.Now()
		_ = c.conn.SetReadDeadline(begun.Add(replyTimeout))
		if ctx.Err() != nil {
			return i, false, nil
		}
		accepted, err := c.send(i)
		if err != nil && !accepted && c.untouched && c.tries < maxTries {
			c.tries++
			return i, true, err
		}
		c.tries = 0
		c.count(accepted, time.Since(begun))
		next, ok = c.take(ctx)
		if err != nil {
			return next, ok, err
		}
		if !ok || sent == c.source.PerConnection {
			_, _ = io.WriteString(c.conn, "QUIT\r\n")
			return next, ok, nil
		}
		i = next
	}
}

func (c *client) count(accepted bool, took time.Duration) {
	if !accepted {
		c.source.failed.Add(1)
		return
	}
	c.latency.Observe(took)
	c.source.accepted.Add(1)
	c.recipients += int64(len(c.taken))
	if c.source.Accepted != nil {
		c.source.Accepted(c.taken)
	}
}

func (c *client) connect(ctx context.Context) (err error) {
	c.conn, err = c.source.Dial(ctx, c.source.Address)
	c.r, c.w = 0, 0
	return err
}

func (c *client) greet() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(replyTimeout))
	if err := c.expect(220); err != nil {
		return err
	}
	if err := c.say("EHLO source.test\r\n", 250); err != nil || c.source.TLS == nil {
		return err
	}
	if err := c.say("STARTTLS\r\n", 220); err != nil {
		return err
	}
	config := c.source.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(c.source.Address)
	}
	c.conn = tls.Client(c.conn, config)
	return c.say("EHLO source.test\r\n", 250)
}

func (c *client) say(line string, want int) error {
	if _, err := io.WriteString(c.conn, line); err != nil {
		return err
	}
	return c.expect(want)
}

// replyError is a reply that ends the connection.
type replyError struct{ code int }

func (e *replyError) Error() string { return fmt.Sprintf("reply %d", e.code) }

func (c *client) expect(want int) error {
	code, err := c.reply()
	if err != nil {
		return err
	}
	if code != want {
		c.refused[code]++
		return &replyError{code}
	}
	return nil
}

// send sends one mail. The connection is of no more use after an error.
func (c *client) send(i int64) (accepted bool, err error) {
	c.untouched = true
	code, err := c.envelope(i)
	c.untouched = err != nil
	if err != nil || code != 354 {
		return false, err
	}
	if len(c.taken) == 0 {
		// The server wants a mail although it took no recipient: an empty one will do.
		_, err = io.WriteString(c.conn, ".\r\n")
	} else {
		n := c.source.body.first(i)
		c.out = c.source.body.header(c.out[:0], n)
		head := len(c.out)
		c.out = c.source.body.end(c.out, n)
		c.vec = [3][]byte{c.out[:head], c.source.body.text, c.out[head:]}
		c.pieces = c.vec[:]
		_, err = c.pieces.WriteTo(c.conn)
	}
	if err == nil {
		code, err = c.reply()
	}
	if err != nil {
		c.unknown++
		return false, err
	}
	if code/100 != 2 {
		return false, c.note(code)
	}
	return len(c.taken) > 0, nil
}

// envelope sends MAIL, RCPT and DATA and returns the reply to the last, or zero when it came to nothing.
func (c *client) envelope(i int64) (code int, err error) {
	c.taken = c.taken[:0]
	flight := c.source.body.commands(c.out[:0], i)
	c.out = flight
	if !c.source.Serial {
		if _, err := c.conn.Write(flight); err != nil {
			return 0, err
		}
	}
	first := c.source.body.first(i)
	for line := 0; len(flight) > 0; line++ {
		end := bytes.IndexByte(flight, '\n') + 1
		if c.source.Serial {
			if _, err := c.conn.Write(flight[:end]); err != nil {
				return 0, err
			}
		}
		flight = flight[end:]
		if code, err = c.reply(); err != nil {
			return 0, err
		}
		switch {
		case code/100 == 2 && line > 0 && len(flight) > 0:
			c.taken = append(c.taken, first+int64(line-1))
		case code/100 > 3:
			if err := c.note(code); err != nil {
				return 0, err
			}
		}
	}
	return code, c.afterRefusal(code)
}

// afterRefusal resets the transaction when DATA was refused.
func (c *client) afterRefusal(code int) error {
	if code == 354 {
		return nil
	}
	return c.say("RSET\r\n", 250)
}

// note counts a reply that refuses; 421 ends the connection.
func (c *client) note(code int) error {
	c.refused[code]++
	if code == 421 {
		return &replyError{code}
	}
	return nil
}

// reply reads one reply of one or more lines and returns its code.
func (c *client) reply() (code int, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		if len(line) < 3 || !digit(line[0]) || !digit(line[1]) || !digit(line[2]) {
			return 0, errors.New("no SMTP reply")
		}
		if len(line) == 3 || line[3] != '-' {
			return number(line[:3]), nil
		}
	}
}

func (c *client) line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(c.buf[c.r:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+i]
			c.r += i + 1
			return bytes.TrimSuffix(line, []byte{'\r'}), nil
		}
		c.w = copy(c.buf[:], c.buf[c.r:c.w])
		c.r = 0
		if c.w == len(c.buf) {
			return nil, errors.New("reply too long")
		}
		n, err := c.conn.Read(c.buf[c.w:])
		c.w += n
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// reason shortens an error to what can be counted.
func reason(err error) string {
	var errno syscall.Errno
	var reply *replyError
	switch {
	case errors.As(err, &reply):
		return reply.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "time-out"
	case errors.Is(err, io.EOF):
		return "connection closed"
	}
	return err.Error()
}

// Reasons returns the keys of a map in order, for printing.
func Reasons[K ~int | ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return keys
}
