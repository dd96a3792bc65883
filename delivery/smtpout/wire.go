package smtpout

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/monitor"
	"github.com/sluicemail/sluice/queue"
)

// pieceSize bounds what is written under one deadline.
const pieceSize = 256 << 10

func canVector(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// inbound is a connection as the source of its reply reader: it sets the deadline just before a read that may block, so
// that replies that came together cost one deadline and one read.
type inbound connection

func (in *inbound) Read(p []byte) (int, error) {
	c := (*connection)(in)
	if !c.waiting && c.wait > 0 {
		if err := c.armRead(c.wait); err != nil {
			return 0, err
		}
		c.waiting = true
	}
	return c.nc.Read(p)
}

// slack is by how much a deadline may come early, so that it need not be moved for each mail.
func slack(limit time.Duration) time.Duration { return min(limit/16, time.Second) }

// near reports whether a deadline that is set does for a wait of limit from now on.
func near(set, now time.Time, limit time.Duration) bool {
	ahead := set.Sub(now)
	return ahead <= limit && ahead >= limit-slack(limit)
}

func (c *connection) armRead(limit time.Duration) error {
	t := time.Now()
	if near(c.readBy, t, limit) {
		return nil
	}
	c.readBy = t.Add(limit)
	return c.watch.set(c.watch.raw.SetReadDeadline, c.readBy)
}

func (c *connection) armWrite(limit time.Duration) error {
	t := time.Now()
	if near(c.writeBy, t, limit) {
		return nil
	}
	c.writeBy = t.Add(limit)
	return c.watch.set(c.watch.raw.SetWriteDeadline, c.writeBy)
}

func (c *connection) armBoth(limit time.Duration) error {
	if err := c.armRead(limit); err != nil {
		return err
	}
	return c.armWrite(limit)
}

// await reads one reply, which may take as long as limit, and returns its code.
func (c *connection) await(limit time.Duration) (int, error) {
	c.wait, c.waiting = limit, false
	code, err := c.rd.Next()
	c.wait = 0
	if c.watched && len(c.rd.Raw()) > 0 {
		c.showReply(c.rd.Raw())
	}
	if err != nil {
		c.broken = true
		return 0, err
	}
	if code == 421 {
		c.broken = true
	}
	return code, nil
}

// flush writes the commands that wait.
func (c *connection) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	return c.send(c.limits.command, nil, nil)
}

// send writes the commands that wait, mail and tail as one flight: without copying where the system takes several
// pieces at once, else from one buffer.
func (c *connection) send(limit time.Duration, mail, tail []byte) error {
	c.showFlight(int64(len(mail)), tail)
	defer func() { c.out = c.out[:0] }()
	if !c.vectored && len(mail)+len(tail) > 0 {
		w := newOutbox(c, limit)
		defer w.release()
		for _, piece := range [...][]byte{c.out, mail, tail} {
			if err := w.write(piece); err != nil {
				return err
			}
		}
		return w.flush()
	}
	head := c.out
	for len(mail) > pieceSize {
		if err := c.writev(limit, head, mail[:pieceSize], nil); err != nil {
			return err
		}
		head, mail = nil, mail[pieceSize:]
	}
	return c.writev(limit, head, mail, tail)
}

func (c *connection) writev(limit time.Duration, pieces ...[]byte) error {
	if err := c.armWrite(limit); err != nil {
		return err
	}
	c.vec = c.pieces[:0]
	for _, piece := range pieces {
		if len(piece) > 0 {
			c.vec = append(c.vec, piece)
		}
	}
	if len(c.vec) == 1 {
		n, err := c.nc.Write(c.vec[0])
		c.pieces[0] = nil
		c.written += int64(n)
		return err
	}
	n, err := c.vec.WriteTo(c.nc)
	c.written += n
	return err
}

// write writes p at once.
func (c *connection) write(limit time.Duration, p []byte) error {
	if err := c.armWrite(limit); err != nil {
		return err
	}
	n, err := c.nc.Write(p)
	c.written += int64(n)
	return err
}

// showFlight gives the transcript what is about to be written: the commands, a word in place of the mail, more
// commands. Whether anybody watches is asked here, once for the flight and its answers.
func (c *connection) showFlight(size int64, tail []byte) {
	shown := c.outShown
	c.outShown = nil
	if c.watched = c.tap.Watched(); !c.watched {
		return
	}
	if shown == nil {
		shown = c.out
	}
	text := append([]byte(nil), shown...)
	if size > 0 {
		text = append(text, "[mail of "...)
		text = strconv.AppendInt(text, size, 10)
		text = append(text, " bytes]\r\n"...)
	}
	c.tap.Line(monitor.FromUs, append(text, tail...))
}

// showReply gives the transcript a reply, or what came in place of one.
func (c *connection) showReply(raw []byte) {
	text := c.masked(string(raw)) // remotes have been seen to repeat what they refuse
	c.tap.Line(monitor.FromRemote, []byte(strings.ReplaceAll(text, "\n", "\r\n")+"\r\n"))
}

// command sends one command and returns the code of its reply.
func (c *connection) command(state queue.ResultState, line string) (int, *failure) {
	c.out = append(append(c.out[:0], line...), "\r\n"...)
	err := c.flush()
	var code int
	if err == nil {
		code, err = c.await(c.limits.command)
	} else if early, ok := c.lastWords(); ok {
		code, err = early, nil
	}
	if err != nil {
		return 0, c.broke(state, err)
	}
	return code, nil
}

// lastWords looks for a reply to what could not be written: remotes that close often say why.
func (c *connection) lastWords() (int, bool) {
	c.broken = true
	code, err := c.await(time.Second)
	c.broken = true
	return code, err == nil
}
