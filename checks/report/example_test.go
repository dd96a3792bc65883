package report_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/sluicemail/sluice/checks/report"
)

func ExampleRecognise() {
	header := "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
	mail := header +
		"--b\r\n\r\nYour mail could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
		"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; gone@mx.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
	fmt.Println(report.Recognise([]byte(header), strings.NewReader(mail), int64(len(mail))))
	// Output: dsn
}

func ExampleParse() {
	mail, err := os.ReadFile("testdata/dsn-old-sendmail.eml")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := report.Parse(bytes.NewReader(mail), int64(len(mail)))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, to := range r.Delivery.Recipients {
		fmt.Println(r.Kind, to.Address(), to.Action, to.Status, to.Code)
	}
	// Output: dsn gone@receiver.example failed 5.1.1 550
}
