package queue_test

import (
	"strings"
	"testing"

	"github.com/sluicemail/sluice/queue"
)

// tenKiB is a message as it goes over a broker: a mail of 10 KiB and a few properties.
func tenKiB() *queue.Message {
	return &queue.Message{ID: "1-65o09ckrcka1ha0", Envelope: "someone@example.org", Recipient: "somebody@example.com",
		Hostname: "mx.example.org",
		Connection: &queue.Connection{LocalIP: "192.0.2.1", LocalPort: 25, RemoteIP: "192.0.2.2", RemotePort: 40000,
			Secure: true},
		Body: queue.Bytes("From: a@example.org\r\nSubject: \"x\"\r\n\r\n" +
			strings.Repeat("The quick brown fox jumps over the lazy dog, and on and on and on.\r\n", 153))}
}

func BenchmarkAppendJSON(b *testing.B) {
	m := tenKiB()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = queue.AppendJSON(buf[:0], m); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkUnmarshal(b *testing.B) {
	text, err := queue.AppendJSON(nil, tenKiB())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := queue.Unmarshal(text); err != nil {
			b.Fatal(err)
		}
	}
}
