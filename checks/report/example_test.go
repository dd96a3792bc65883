package report_test

import (
	"fmt"
	"strings"

	"github.com/sluicemail/sluice/checks/report"
)

func ExampleRecognise() {
	header := "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
	mail := header + "--b\r\n\r\nYour mail could not be delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
		"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; gone@mx.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
	fmt.Println(report.Recognise([]byte(header), strings.NewReader(mail), int64(len(mail))))
	// Output: dsn
}
