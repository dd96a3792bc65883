package delivery

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/sluicemail/sluice/internal/addr"
	"github.com/sluicemail/sluice/internal/mailheader"
	"github.com/sluicemail/sluice/queue"
)

// The queues that a message may override.
func resultsQueue(q *queue.Queues) *string { return q.Results }
func successQueue(q *queue.Queues) *string { return q.Success }
func failureQueue(q *queue.Queues) *string { return q.Failure }
func retryQueue(q *queue.Queues) *string   { return q.Retry }

// override returns the name of a queue: the message's own, if it has one, or the configured one. "" means none.
func override(q *queue.Queues, of func(*queue.Queues) *string, configured string) string {
	if q != nil {
		if own := of(q); own != nil {
			return *own
		}
	}
	return configured
}

// finished returns what takes the place of a finished message: its copies for the results queue and for the queue of
// its outcome.
func (e *Engine) finished(j *job, configured string, of func(*queue.Queues) *string) []queue.Item {
	results := override(j.m.Queues, resultsQueue, e.Names.Results)
	outcome := override(j.m.Queues, of, configured)
	if results == "" && outcome == "" {
		return nil
	}
	m := published(j)
	var items []queue.Item
	if results != "" {
		items = append(items, queue.Item{Queue: results, Message: m})
	}
	if outcome != "" {
		items = append(items, queue.Item{Queue: outcome, Message: m})
	}
	return items
}

// published returns the form of a message that is published as a result: without its mail, unless that is wanted, and
// with some properties of it extracted.
func published(j *job) *queue.Message {
	m := *j.m
	m.Extracted = extracted(j.m)
	if !m.KeepMIME {
		m.Body, m.Compose = nil, nil
	}
	return &m
}

// maxHeader is how much of a mail is read to extract properties from its header.
const maxHeader = 64 << 10

// extracted makes the property of the same name: from, to, subject and the whole header of the mail, and the parts of
// both addresses. It is written by hand: with a results queue, that happens for every message.
func extracted(m *queue.Message) json.RawMessage {
	header := readHeader(m.Body)
	dst := make([]byte, 0, 256+2*len(header))
	dst = append(dst, '{')
	dst = appendHeader(dst, header)
	dst = append(dst, `"envelope":`...)
	dst = appendAddress(dst, m.Envelope)
	dst = append(dst, `,"recipient":`...)
	dst = appendAddress(dst, m.Recipient)
	return append(dst, '}')
}

func appendAddress(dst []byte, address string) []byte {
	local, domain := addr.Split(address)
	dst = append(dst, `{"domain":`...)
	dst = appendQuoted(dst, domain)
	dst = append(dst, `,"local":`...)
	dst = appendQuoted(dst, local)
	return append(dst, '}')
}

// appendHeader appends the first from, to and subject, and all fields as pairs of name and value; a comma follows each.
func appendHeader(dst, header []byte) []byte {
	var text []byte
	known := [...]string{"from", "to", "subject"}
	var found [len(known)]bool
	s := mailheader.NewScanner(header)
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		for i, name := range known {
			if !found[i] && f.Is(name) {
				found[i] = true
				text = mailheader.AppendUnfolded(text[:0], f.Value())
				dst = append(appendQuoted(dst, name), ':')
				dst = append(appendQuoted(dst, text), ',')
			}
		}
	}
	s = mailheader.NewScanner(header)
	n := 0
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		if len(f.Name()) == 0 {
			continue // not a field
		}
		if n++; n == 1 {
			dst = append(dst, `"headers":[`...)
		} else {
			dst = append(dst, ',')
		}
		text = mailheader.AppendUnfolded(text[:0], f.Value())
		dst = append(appendQuoted(append(dst, '['), f.Name()), ',')
		dst = append(appendQuoted(dst, text), ']')
	}
	if n > 0 {
		dst = append(dst, "],"...)
	}
	return dst
}

// appendQuoted appends a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, n := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}

// readHeader returns the beginning of a mail, as far as its header goes.
func readHeader(body queue.Body) []byte {
	if body == nil {
		return nil
	}
	var head []byte
	if m, ok := body.(interface{ Bytes() []byte }); ok {
		head = m.Bytes()
		head = head[:min(len(head), maxHeader)]
	}
	if head == nil {
		head = make([]byte, min(body.Size(), maxHeader))
		n, _ := body.ReadAt(head, 0)
		head = head[:n]
	}
	end, _ := mailheader.Length(head, 0)
	return head[:end]
}
