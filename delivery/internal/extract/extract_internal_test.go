package extract

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

func BenchmarkExtracted(b *testing.B) {
	m := &queue.Message{Envelope: "sender@example.org", Recipient: "someone@example.com",
		Body: queue.Bytes("Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTP\r\n" +
			"From: Somebody <sender@example.org>\r\nTo: someone@example.com\r\nSubject: What we have in store\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n" +
			"Message-ID: <1234@example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" +
			strings.Repeat("text\r\n", 1000))}
	b.ReportAllocs()
	for b.Loop() {
		Properties(m)
	}
}

// TestManyFields extracts a header with more fields than are compared one by one, and one of nothing but one name.
func TestManyFields(t *testing.T) {
	var header strings.Builder
	for i := range 200 {
		header.WriteString([]string{"X-a: 1\r\n", "x-A: 2\r\n", "x-b: 3\r\n", "X-C: 4\r\n"}[i%4])
	}
	few := string(Properties(&queue.Message{Body: queue.Bytes("X-a: 1\r\nx-A: 2\r\nx-b: 3\r\nX-C: 4\r\n\r\n")}))
	many := string(Properties(&queue.Message{Body: queue.Bytes(header.String() + "\r\n")}))
	require.Contains(t, few, `"headers":{"x-a":["1","2"],"x-b":"3","x-c":"4"}`)
	require.Contains(t, many, `"headers":{"x-a":["1","2","1",`)
	require.Equal(t, 1, strings.Count(many, `"x-b"`))
	require.Equal(t, 50, strings.Count(many, `"4"`))
}
