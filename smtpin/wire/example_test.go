package wire_test

import (
	"fmt"
	"io"
	"net"

	"github.com/sluicemail/sluice/smtpin/wire"
)

// A client sends a command and a mail in one flight. Both replies go back with one write.
func Example() {
	client, server := net.Pipe()
	var pool wire.Buffers
	conn := wire.NewConn(server, &pool)
	defer conn.Release()
	go io.WriteString(client, "DATA\r\nSubject: hello\r\n\r\n..dots\r\n.\r\n")

	command, err := conn.ReadLine(0)
	fmt.Printf("%s %v\n", command, err)
	var mail wire.DotReader
	mail.Data(conn, wire.RejectBare, 1000)
	text, err := io.ReadAll(&mail)
	fmt.Printf("%q %v\n", text, err)

	conn.Reply(354, wire.Status{}, "Go ahead")
	conn.Reply(250, wire.Status{2, 0, 0}, "Accepted")
	go conn.Flush()
	answer := make([]byte, 100)
	n, _ := client.Read(answer)
	fmt.Printf("%q\n", answer[:n])
	// Output:
	// DATA <nil>
	// "Subject: hello\r\n\r\n.dots\r\n" <nil>
	// "354 Go ahead\r\n250 2.0.0 Accepted\r\n"
}
