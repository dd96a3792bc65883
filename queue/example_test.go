package queue_test

import (
	"errors"
	"fmt"

	"github.com/sluicemail/sluice/queue"
)

func ExampleUnmarshal() {
	m, err := queue.Unmarshal([]byte(`{
		"recipient": "jo@example.com",
		"mime": "Subject: Hello\n\nHow are you?\n",
		"maxattempts": "3",
		"campaign": {"id": 17}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Recipient, m.MaxAttempts, string(m.Extra["campaign"]))
	fmt.Printf("%q\n", m.Body)

	_, err = queue.Unmarshal([]byte(`{"recipient": "jo@example.com", "smarthost": {"hostname": "relay", "port": "smtp"}}`))
	var wrong *queue.PropertyError
	if errors.As(err, &wrong) {
		fmt.Println(wrong)
	}
	// Output:
	// jo@example.com 3 {"id":17}
	// "Subject: Hello\r\n\r\nHow are you?\r\n"
	// property smarthost.port: expected a whole number, got the string "smtp"
}

func ExampleAppendJSON() {
	m := &queue.Message{
		Recipient: "jo@example.com",
		Body:      queue.Bytes("Subject: Hello\r\n\r\n"),
		Smarthost: &queue.Smarthost{Hostname: "relay.example.com", Username: "me", Password: "secret"},
		Results:   []queue.Result{{State: queue.StateRcptTo, Result: queue.Error, Code: 550}},
	}
	data, err := queue.AppendJSON(nil, m)
	fmt.Println(string(data), err)
	fmt.Println(string(m.AppendRecord(nil)))
	// Output:
	// {"recipient":"jo@example.com","smarthost":{"hostname":"relay.example.com","username":"me","password":"secret"},"mime":"Subject: Hello\r\n\r\n","results":[{"state":"rcptto","result":"error","code":550,"dsn":false}]} <nil>
	// {"recipient":"jo@example.com","smarthost":{"hostname":"relay.example.com","username":"me"},"results":[{"state":"rcptto","result":"error","code":550,"dsn":false}]}
}

func ExampleMessage_Property() {
	m := &queue.Message{
		Recipient:  "jo@example.com",
		Connection: &queue.Connection{RemoteIP: "192.0.2.7"},
		Tags:       []string{"news", "spring"},
	}
	for _, path := range []string{"recipient", "connection.remote_ip", "tags", "pool"} {
		text, ok := m.Property(path)
		fmt.Println(path, text, ok)
	}
	// Output:
	// recipient jo@example.com true
	// connection.remote_ip 192.0.2.7 true
	// tags [ "news", "spring" ] true
	// pool  false
}

func ExampleDecodeBinary() {
	record := queue.AppendBinary(nil, &queue.Message{Envelope: "me@example.org", Recipient: "jo@example.com"})
	m, err := queue.DecodeBinary(record)
	fmt.Println(len(record), m.Envelope, m.Recipient, err)

	_, err = queue.DecodeBinary(record[:20])
	fmt.Println(err)
	// Output:
	// 33 me@example.org jo@example.com <nil>
	// stored mail is damaged: the record of the message has a field that is longer than itself at byte 19
}
