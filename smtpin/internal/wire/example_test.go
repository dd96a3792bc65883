package wire_test

import (
	"fmt"
	"io"
	"net"

	"github.com/sluicemail/sluice/smtpin/internal/wire"
)

// A client sends a command and a mail in one flight. Both replies go back with one write.
func Example() {
	client, server := net.Pipe()
	var pool wire.Buffers
	conn := wire.NewConn(server, &pool)
	defer conn.Release()
	answer := make([]byte, 100)
	answered := make(chan int)
	go func() {
		io.WriteString(client, "DATA\r\nSubject: hello\r\n\r\n..dots\r\n.\r\n")
		n, _ := client.Read(answer)
		answered <- n
	}()

	command, err := conn.ReadLine(0)
	fmt.Printf("%s %v\n", command, err)
	var mail wire.DotReader
	mail.Data(conn, wire.RejectBare, 1000)
	text, err := io.ReadAll(&mail)
	fmt.Printf("%q %v\n", text, err)

	conn.Reply(354, wire.Status{}, "Go ahead")
	conn.Reply(250, wire.Status{2, 0, 0}, "Accepted")
	conn.Flush()
	fmt.Printf("%q\n", answer[:<-answered])
	// Output:
	// DATA <nil>
	// "Subject: hello\r\n\r\n.dots\r\n" <nil>
	// "354 Go ahead\r\n250 2.0.0 Accepted\r\n"
}
