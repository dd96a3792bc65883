package feedback_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/feedback"
)

// tlsReport is a mail with a report on TLS.
func tlsReport(policies string) string {
	return "From: r@receiver.example\r\nSubject: Report\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: application/tlsrpt+json\r\n\r\n" + `{"organization-name":"Receiver","contact-info":"r@receiver.example",` +
		`"report-id":"1","date-range":{"start-datetime":"2026-11-29T00:00:00Z","end-datetime":"2026-11-29T23:59:59Z"},` +
		`"policies":[` + policies + `]}` + "\r\n"
}

// TestTLSReport keeps the sums of a report and its commonest failures, however many rows it has and whatever they say.
func TestTLSReport(t *testing.T) {
	const policy = `{"policy":{"policy-type":"sts","policy-domain":"sender.example"},"summary":{` +
		`"total-successful-session-count":%d,"total-failure-session-count":%d},"failure-details":[%s]}`
	const failure = `{"result-type":%q,"failed-session-count":%d}`
	w := newWorld(t, nil)
	read := func(policies string) feedback.Record {
		t.Helper()
		all := w.report("postmaster@sender.example", tlsReport(policies))
		require.Len(t, all, 1)
		require.Equal(t, feedback.TLS, all[0].Kind)
		require.Equal(t, "sender.example", all[0].Domain)
		return all[0]
	}
	r := read(fmt.Sprintf(policy, 90, 4, fmt.Sprintf(failure, "starttls-not-supported", 1)+","+
		fmt.Sprintf(failure, "certificate-expired", 3)) + "," + fmt.Sprintf(policy, 6, 0, ""))
	require.Equal(t, "certificate-expired 3, starttls-not-supported 1", r.Diagnostic)
	require.EqualValues(t, 100, r.Messages)
	require.EqualValues(t, 4, r.Failed)

	rows := make([]string, 10_000)
	for i := range rows {
		rows[i] = fmt.Sprintf(failure, fmt.Sprintf("type-%d<script>\r\nX: y", i%1000), i)
	}
	r = read(fmt.Sprintf(policy, 0, 10_000, strings.Join(rows, ",")))
	require.EqualValues(t, 10_000, r.Failed)
	require.Less(t, len(r.Diagnostic), 310)
	require.NotContains(t, r.Diagnostic, "\n")

	const most = "9223372036854775807"
	r = read(strings.Join([]string{fmt.Sprintf(policy, 0, -7, ""), strings.Replace(fmt.Sprintf(policy, 1234, 1, ""), "1234", most, 1),
		strings.Replace(fmt.Sprintf(policy, 1234, 1, ""), "1234", most, 1)}, ","))
	require.Positive(t, r.Messages)
	require.EqualValues(t, 2, r.Failed)
}
