package smtpin

import (
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// bdat carries out BDAT (RFC 3030), and all of the mail that it begins: the backend reads the chunks as one stream, and
// the commands between them are read when that stream runs dry.
func (c *session) bdat(args string) {
	size, last, ok := c.chunkSize(args)
	if !ok {
		return
	}
	if c.refused || !c.mail || c.rcpts == 0 {
		c.skipChunk(size)
		if c.refused {
			c.reply(503, wire.Status{5, 5, 1}, "Mail was refused already")
			c.refused = !last
		} else {
			c.hasMail()
		}
		return
	}
	if c.tooLarge(size) {
		c.skipChunk(size)
		c.answerChunk(answers{}, wire.ErrTooLarge, last)
		c.ended(false)
		c.refused = !last
		return
	}
	ends := c.srv.LineEnds
	if c.binary {
		ends = wire.KeepBare
	}
	c.chunk.Chunks(c.w, ends, c.srv.maxSize(), size, last, c.nextChunk)
	answer, err := c.deliver(&c.chunk)
	if err == nil {
		_, err = io.Copy(io.Discard, &c.chunk) // of a session that has not read all
	}
	c.endChunks(answer, err)
}

// endChunks replies to a mail that came in chunks.
func (c *session) endChunks(answer answers, err error) {
	if c.pending != "" { // given up by the client
		c.ended(false)
		return
	}
	if c.closing {
		return
	}
	if drained := c.chunk.Drain(); drained != nil {
		c.cutOff(drained)
		return
	}
	c.showMail(c.chunk.Size())
	if failed := c.chunk.Failed(); failed != nil {
		err = failed
	}
	last := c.chunk.Ended()
	c.answerChunk(answer, err, last)
	c.ended(err == nil)
	c.refused = !last
}

// answerChunk replies to a chunk that ends a mail. LMTP has a reply for each recipient after the last chunk only.
func (c *session) answerChunk(answer answers, err error, last bool) {
	if err != nil && !last {
		c.refuse(err)
		return
	}
	c.answer(answer, err)
}

// chunkSize reads the arguments of BDAT. When it cannot, where the next command begins is unknown: the connection ends.
func (c *session) chunkSize(args string) (size int64, last, ok bool) {
	word, rest, more := strings.Cut(args, " ")
	n, err := strconv.ParseUint(word, 10, 62)
	last = more && strings.EqualFold(strings.TrimSpace(rest), "LAST")
	switch {
	case c.srv.NoChunking:
		c.reply(502, wire.Status{5, 5, 1}, "BDAT is not offered here, closing the connection")
	case err != nil, more && !last:
		c.reply(501, wire.Status{5, 5, 4}, "Expected BDAT size [LAST], closing the connection")
	default:
		return int64(n), last, true
	}
	c.close()
	return 0, false, false
}

// tooLarge reports whether a chunk would make the mail larger than it may be.
func (c *session) tooLarge(size int64) bool {
	limit := c.srv.maxSize()
	return limit > 0 && size > limit
}

// skipChunk discards a chunk that nobody wants, or ends the connection when it is far too large.
func (c *session) skipChunk(size int64) {
	if limit := c.srv.maxSize(); limit > 0 && size > 2*limit {
		c.close()
		return
	}
	if err := c.w.Discard(size); err != nil {
		c.cutOff(err)
	}
}

// nextChunk reads the commands between two chunks. An error ends the mail.
func (c *session) nextChunk() (size int64, last bool, err error) {
	c.reply(250, wire.Status{2, 0, 0}, "Chunk received")
	for {
		line, ok := c.readCommand()
		if !ok {
			return 0, false, smtp.ErrDataReset
		}
		verb, args, _ := parseCommand(line)
		c.hear(verb, line)
		switch verb {
		case "BDAT":
			if size, last, ok = c.chunkSize(args); !ok {
				return 0, false, smtp.ErrDataReset
			}
			if c.tooLarge(c.chunk.Size() + size) {
				c.skipChunk(size)
				return 0, last, wire.ErrTooLarge
			}
			return size, last, nil
		case "NOOP":
			c.reply(250, wire.Status{2, 0, 0}, "Done nothing")
		case "RSET", "QUIT", "EHLO", "HELO", "LHLO", "STARTTLS":
			c.pending = string(line)
			return 0, false, smtp.ErrDataReset
		default:
			c.wrong(503, wire.Status{5, 5, 1}, "A chunk of the mail is expected, or RSET")
			if c.closing {
				return 0, false, smtp.ErrDataReset
			}
		}
	}
}
