package smtpout

import (
	"strconv"
	"strings"
	"time"

	"github.com/sluicemail/sluice/delivery"
	"github.com/sluicemail/sluice/queue"
)

// Limits implements delivery.Limited. LMTP has a reply to the mail for each recipient, so that mails go one by one.
func (c *connection) Limits() delivery.Announced {
	said := c.ext.limits
	if c.sender.LMTP {
		said.Recipients = 1
	}
	return said
}

// addLimit reads one word of LIMITS (RFC 9422 §3). What is no limit, or one that nothing could be sent under, counts as
// not said.
func addLimit(l *delivery.Announced, word string) {
	name, value, _ := strings.Cut(word, "=")
	n, err := strconv.ParseUint(value, 10, 20)
	if err != nil || n == 0 {
		return
	}
	switch strings.ToUpper(name) {
	case "MAILMAX":
		l.Mails = int(n)
	case "RCPTMAX":
		l.Recipients = int(n)
	case "RCPTDOMAINMAX":
		l.Domains = int(n)
	}
}

// late is why a mail that is to be returned unless it is delivered in time does not go to this remote: it promises
// nothing, or only to be slower (RFC 2852 §4).
func (c *connection) late(m *queue.Message) *fault {
	by := m.DeliverBy
	if by == nil || by.Mode != queue.DeliverByReturn || c.sender.LMTP {
		return nil
	}
	if !c.ext.deliverBy {
		return &fault{queue.StateMailFrom, 554, "5.4.7",
			"the mail is to be returned if it is late, and the remote does not offer DELIVERBY"}
	}
	if left := time.Until(by.Time); left < c.ext.minBy || left < time.Second {
		return &fault{queue.StateMailFrom, 554, "5.4.7",
			"the mail is to be delivered within " + left.Round(time.Second).String() + ", the remote needs " +
				max(c.ext.minBy, time.Second).String()}
	}
	return nil
}

// appendPromises appends the parameters of MAIL that say when the mail is to go.
func (c *connection) appendPromises(dst []byte, m *queue.Message) []byte {
	if c.ext.priority && m.Priority != 0 {
		dst = append(dst, " MT-PRIORITY="...)
		dst = strconv.AppendInt(dst, int64(max(-9, min(m.Priority, 9))), 10)
	}
	if by := m.DeliverBy; by != nil && c.ext.deliverBy {
		const most = 999_999_999 // nine digits
		left := int64(time.Until(by.Time) / time.Second)
		dst = append(dst, " BY="...)
		dst = strconv.AppendInt(dst, max(-most, min(left, most)), 10)
		if by.Mode == queue.DeliverByReturn {
			dst = append(dst, ";R"...)
		} else {
			dst = append(dst, ";N"...)
		}
		if by.Trace {
			dst = append(dst, 'T')
		}
	}
	return dst
}
