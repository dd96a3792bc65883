package delivery

import (
	"encoding/json"

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
// both addresses.
func extracted(m *queue.Message) json.RawMessage {
	type address struct {
		Domain string `json:"domain"`
		Local  string `json:"local"`
	}
	parts := func(a string) address {
		local, domain := addr.Split(a)
		return address{domain, local}
	}
	out := struct {
		From      string      `json:"from,omitempty"`
		To        string      `json:"to,omitempty"`
		Subject   string      `json:"subject,omitempty"`
		Headers   [][2]string `json:"headers,omitempty"`
		Envelope  address     `json:"envelope"`
		Recipient address     `json:"recipient"`
	}{Envelope: parts(m.Envelope), Recipient: parts(m.Recipient)}
	s := mailheader.NewScanner(readHeader(m.Body))
	for f, ok := s.Next(); ok; f, ok = s.Next() {
		name, value := string(f.Name()), string(mailheader.AppendUnfolded(nil, f.Value()))
		out.Headers = append(out.Headers, [2]string{name, value})
		switch {
		case f.Is("from") && out.From == "":
			out.From = value
		case f.Is("to") && out.To == "":
			out.To = value
		case f.Is("subject") && out.Subject == "":
			out.Subject = value
		}
	}
	text, err := json.Marshal(out)
	if err != nil { // strings always marshal
		return nil
	}
	return text
}

// readHeader returns the beginning of a mail, as far as its header goes.
func readHeader(body queue.Body) []byte {
	if body == nil {
		return nil
	}
	head := make([]byte, min(body.Size(), maxHeader))
	n, _ := body.ReadAt(head, 0)
	end, _ := mailheader.Length(head[:n], 0)
	return head[:end]
}
