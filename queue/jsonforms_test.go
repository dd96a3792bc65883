package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/queue"
)

// TestWhatCameComesBackAsItCame reads each property in the forms that are taken beside the usual one, and writes it.
func TestWhatCameComesBackAsItCame(t *testing.T) {
	tests := []struct {
		name, value string // of the property
		check       func(t *testing.T, m *queue.Message)
	}{
		{"envelope", `""`, func(t *testing.T, m *queue.Message) { require.Empty(t, m.Envelope) }},
		{"key", `""`, nil},
		{"key", `null`, nil},
		{"keepmime", `1`, func(t *testing.T, m *queue.Message) { require.True(t, m.KeepMIME) }},
		{"keepmime", `true`, func(t *testing.T, m *queue.Message) { require.True(t, m.KeepMIME) }},
		{"keepmime", `"true"`, func(t *testing.T, m *queue.Message) { require.True(t, m.KeepMIME) }},
		{"keepmime", `false`, func(t *testing.T, m *queue.Message) { require.False(t, m.KeepMIME) }},
		{"data", `{"a": [1.50, null]}`, nil},
		{"ips", `[]`, func(t *testing.T, m *queue.Message) { require.Equal(t, []string{}, m.IPs) }},
		{"ips", `"192.0.2.7"`, func(t *testing.T, m *queue.Message) { require.Nil(t, m.IPs) }},
		{"ips", `null`, func(t *testing.T, m *queue.Message) { require.Nil(t, m.IPs) }},
		{"pool", `null`, nil},
		{"nextattempt", `"2031-05-06 07:08:09"`, next("2031-05-06 07:08:09")},
		{"nextattempt", `{"time":"2031-05-06T07:08:09"}`, next("2031-05-06 07:08:09")},
		{"nextattempt", `{"time":"2031-05-06T07:08:09Z","by":"cron"}`, next("2031-05-06 07:08:09")},
		{"nextattempt", `{"time":"2031-05-06T07:08:09.0000000+02:00"}`, next("2031-05-06 05:08:09")},
		{"nextattempt", `{}`, next("0001-01-01 00:00:00")},
		{"nextattempt", `{"time":null}`, next("0001-01-01 00:00:00")},
		{"nextattempt", `{"time":"0001-01-01T00:00:00"}`, next("0001-01-01 00:00:00")},
		{"maxdelivertime", `"2031-05-06T07:08:09.5-07:30"`, func(t *testing.T, m *queue.Message) {
			require.Equal(t, utc("2031-05-06 14:38:09").Add(time.Second/2), m.MaxDeliverTime)
		}},
		{"maxattempts", `"3"`, func(t *testing.T, m *queue.Message) { require.Equal(t, 3, m.MaxAttempts) }},
		{"maxattempts", `3.0`, func(t *testing.T, m *queue.Message) { require.Equal(t, 3, m.MaxAttempts) }},
		{"maxattempts", `0`, func(t *testing.T, m *queue.Message) { require.Equal(t, -1, m.MaxAttempts) }},
		{"retries", `["600",60]`, func(t *testing.T, m *queue.Message) {
			require.Equal(t, []time.Duration{10 * time.Minute, time.Minute}, m.Retries)
		}},
		{"retries", `[]`, nil},
		{"force", `"1"`, func(t *testing.T, m *queue.Message) { require.True(t, m.Force) }},
		{"inlinecss", `"yes"`, func(t *testing.T, m *queue.Message) { require.True(t, m.InlineCSS) }},
		{"dkim", `[{"domain":"a.example","selector":"s","key":"k"}]`,
			func(t *testing.T, m *queue.Message) { require.Len(t, m.DKIM, 1) }},
		{"dkim", `{"domain":"a.example","expire":"2031-01-01 00:00:00","oversign":true}`,
			func(t *testing.T, m *queue.Message) {
				require.Equal(t, utc("2031-01-01 00:00:00"), m.DKIM[0].ExpireAt)
				require.Zero(t, m.DKIM[0].Expire)
			}},
		{"dkim", `[{"expire":"2031-01-01T00:00:00+01:00"},{"expire":"3600","report":0,"priority":"-2","headers":[]}]`,
			func(t *testing.T, m *queue.Message) {
				require.Equal(t, utc("2030-12-31 23:00:00"), m.DKIM[0].ExpireAt)
				require.Equal(t, int64(3600), m.DKIM[1].Expire)
				require.Equal(t, -2, m.DKIM[1].Priority)
			}},
		{"dsn", `{"notify":"FAILURE","ret":"HDRS","orcpt":"info@example.org","envid":"my-identifier"}`,
			func(t *testing.T, m *queue.Message) {
				require.Equal(t, []string{"FAILURE"}, m.DSN.Notify)
			}},
		{"dsn", `{"notify":"success, delay","ret":"full"}`, func(t *testing.T, m *queue.Message) {
			require.Equal(t, &queue.DSN{Notify: []string{"SUCCESS", "DELAY"}, Ret: "FULL"}, m.DSN)
		}},
		{"dsn", `{"notify":["Failure"],"ret":null}`,
			func(t *testing.T, m *queue.Message) { require.Equal(t, []string{"FAILURE"}, m.DSN.Notify) }},
		{"queues", `{"results":null,"failure":"f","success":""}`,
			func(t *testing.T, m *queue.Message) { require.Empty(t, *m.Queues.Success) }},
		{"smarthost", `{"hostname":"relay","port":"25","username":"u","password":"p"}`, func(t *testing.T, m *queue.Message) {
			require.Equal(t, 25, m.Smarthost.Port)
		}},
		{"smarthost", `{"name":"relay","port":25,"plaintext":"true"}`, func(t *testing.T, m *queue.Message) {
			require.Equal(t, &queue.Smarthost{Hostname: "relay", Port: 25, Plaintext: true}, m.Smarthost)
		}},
		{"tags", `["a",7]`, func(t *testing.T, m *queue.Message) { require.Equal(t, []string{"a", "7"}, m.Tags) }},
		{"tags", `[]`, nil},
		{"headers", `{"remove":"dummy"}`, func(t *testing.T,
			m *queue.Message) {
			require.Equal(t, []string{"dummy"}, m.Headers.Remove)
		}},
		{"headers",
			`{"remove":["dummy","bcc"],"prepend":{"cc":"c@d","x-e":["1","2"]},"add":{"x-f":3},"replace":[{"from":"x@y"}]}`,
			func(t *testing.T, m *queue.Message) {
				require.Equal(t, []queue.Field{{Name: "x-f", Value: "3"}}, m.Headers.Append)
				require.Len(t, m.Headers.Prepend, 3)
			}},
		{"priority", `"5"`, func(t *testing.T, m *queue.Message) { require.Equal(t, 5, m.Priority) }},
		{"priority", `0`, nil},
		{"security", `""`, nil},
		{"security", `"verified"`, func(t *testing.T, m *queue.Message) { require.Equal(t, queue.Verified, m.Security) }},
		{"received", `"2031-05-06T07:08:09Z"`,
			func(t *testing.T, m *queue.Message) { require.Equal(t, utc("2031-05-06 07:08:09"), m.Received) }},
		{"connection", `{"local-ip":"192.0.2.1","remote-port":"9"}`,
			func(t *testing.T, m *queue.Message) { require.Equal(t, 9, m.Connection.RemotePort) }},
		{"checks", `[]`, nil},
		{"seen", `"2031-05-06 07:08:09"`, nil},
		{"results", `[{"code":550,"status":"5.1.1","type":"error"},{"time":"2014-03-03 15:04:12","type":"nohosts"}]`,
			func(t *testing.T, m *queue.Message) { require.Equal(t, 550, m.Results[0].Code) }},
		{"results",
			`[{"state":"message","result":"accepted","code":"250","sent":{"connection":7},"certificate":{"subject":"CN=x","keyusage":["x"]}}]`,
			func(t *testing.T, m *queue.Message) { require.True(t, m.Results[0].Success()) }},
		{"results", `[]`, nil},
	}
	for _, tc := range tests {
		t.Run(tc.name+" "+tc.value[:min(30, len(tc.value))], func(t *testing.T) {
			in := `{"recipient":"a@b","` + tc.name + `":` + tc.value + `}`
			m, err := queue.Unmarshal([]byte("\uFEFF" + in))
			require.NoError(t, err)
			if tc.check != nil {
				tc.check(t, m)
			}
			out, err := queue.AppendJSON(nil, m)
			require.NoError(t, err)
			require.JSONEq(t, in, string(out), "as JSON")
			stored, err := queue.DecodeBinary(queue.AppendBinary(nil, m))
			require.NoError(t, err)
			out, err = queue.AppendJSON(nil, stored)
			require.NoError(t, err)
			require.JSONEq(t, in, string(out), "from the disk")
		})
	}
}

func next(at string) func(*testing.T, *queue.Message) {
	return func(t *testing.T, m *queue.Message) {
		require.True(t, utc(at).Equal(m.NextAttempt), "%v", m.NextAttempt)
	}
}

func TestWhatChangedIsWrittenInOurForm(t *testing.T) {
	m, err := queue.Unmarshal([]byte(`{"recipient":"a@b","nextattempt":{"time":"2031-05-06T07:08:09Z","by":"cron"},"keepmime":1,"priority":"5",
		"dsn":{"notify":"FAILURE"},"delayed":"2030-01-01 00:00:00","results":[{"code":"451","type":"error"}]}`))
	require.NoError(t, err)
	require.Equal(t, utc("2031-05-06 07:08:09"), m.NextAttempt, "the newer name counts")
	m.NextAttempt = utc("2032-01-01 00:00:00")
	m.Priority = 0
	m.Results = append(m.Results, queue.Result{State: queue.StateConnect, Result: queue.Timeout})
	m.Results[0].Code = 452
	out, err := queue.AppendJSON(nil, m)
	require.NoError(t, err)
	require.JSONEq(t, `{"recipient":"a@b","nextattempt":{"time":"2032-01-01 00:00:00","by":"cron"},"keepmime":1,
		"dsn":{"notify":"FAILURE"},"delayed":"2030-01-01 00:00:00",
		"results":[{"code":452,"type":"error"},{"state":"connect","result":"timeout"}]}`, string(out))
}

func TestDelayedIsTheOldNameOfNextAttempt(t *testing.T) {
	m, err := queue.Unmarshal([]byte(`{"recipient":"a@b","delayed":"2031-05-06T07:08:09"}`))
	require.NoError(t, err)
	require.Equal(t, utc("2031-05-06 07:08:09"), m.NextAttempt)
	out, err := queue.AppendJSON(nil, m)
	require.NoError(t, err)
	require.JSONEq(t, `{"recipient":"a@b","delayed":"2031-05-06T07:08:09","nextattempt":{"time":"2031-05-06 07:08:09"}}`,
		string(out))
}

func TestRecordsShowNoSecretOfAnotherForm(t *testing.T) {
	m,
		err := queue.Unmarshal([]byte(`{"recipient":"a@b","dkim":[{"domain":"x","key":"hush"}],"smarthost":{"name":"relay","password":"hush","port":"25"},"force":0}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"recipient":"a@b","force":0,"dkim":{"domain":"x"},"smarthost":{"hostname":"relay","port":25}}`,
		string(m.AppendRecord(nil)))
}

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2019-01-10 00:00:00": "2019-01-10 00:00:00", "2019-01-10T00:00:00": "2019-01-10 00:00:00",
		"2019-01-10T00:00:00Z": "2019-01-10 00:00:00",
		"2019-01-10t23:59:59z": "2019-01-10 23:59:59", "2019-01-10T01:00:00+01:00": "2019-01-10 00:00:00",
		"2019-01-10 01:00:00-00:30": "2019-01-10 01:30:00", "2019-01-10T00:00:00.9999999Z": "2019-01-10 00:00:00",
		"0001-01-01T00:00:00": "0001-01-01 00:00:00", "9999-12-31T23:59:59": "9999-12-31 23:59:59",
	} {
		got, ok := queue.ParseTime(text)
		require.True(t, ok, text)
		require.Equal(t, want, got.Truncate(time.Second).Format(time.DateTime), text)
		require.Equal(t, time.UTC, got.Location())
	}
	for _, text := range []string{"", "now", "2019-01-10", "2019-01-10T00:00", "2019-02-30T00:00:00Z",
		"2019-01-10T25:00:00", "2019-01-10X00:00:00",
		"2019-01-10T00:00:00+25:00", "2019-01-10T00:00:00 UTC", "0001-01-01T00:00:00+14:00", "1547078400",
		"2019-01-10 00:00:00é"} {
		_, ok := queue.ParseTime(text)
		require.False(t, ok, text)
	}
}

func TestByteOrderMark(t *testing.T) {
	m, err := queue.Unmarshal([]byte("\uFEFF {\"recipient\":\"a@b\"}"))
	require.NoError(t, err)
	require.Equal(t, "a@b", m.Recipient)
	_, err = queue.Unmarshal([]byte("\uFEFF{x}"))
	var syntax *queue.SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, int64(4), syntax.Offset, "counted from where the text begins")
	_, err = queue.Unmarshal([]byte("\uFEFF[]"))
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, int64(3), syntax.Offset)
	_, err = queue.Unmarshal([]byte("\uFEFF\uFEFF{}"))
	require.Error(t, err)
}

// TestMessagesOfAClient reads what a program makes with all that a public client library lets it say.
func TestMessagesOfAClient(t *testing.T) {
	const in = `{"message-id":"job-9","envelope":"news@shop.example","recipient":"ana@kunde.example","mime":"Subject: x\r\n\r\nx\r\n",
		"key":"k-1","keepmime":true,"data":{"first":"Ana"},"ips":["192.0.2.3"],"pool":"gold","nextattempt":{"time":"2031-01-02T03:04:05.1234567Z"},
		"maxdelivertime":"2031-02-02 00:00:00","maxattempts":3,"retries":[60,120],"force":false,"inlinecss":false,
		"dkim":{"domain":"shop.example","selector":"s","key":"PEM","expire":"2032-01-01 00:00:00","report":true,"protocols":["dkim","arc"],
			"canonicalization":"relaxed/relaxed","oversign":true},
		"dsn":{"notify":"NEVER","ret":"HDRS","orcpt":"ana@kunde.example"},"queues":{"results":"r"},
		"smarthost":{"port":25,"hostname":"relay.example"},"tags":["a"],"headers":{"remove":["x-a"],"prepend":{"X-B":["1","2"]},"append":{"X-C":"1"}},
		"priority":4,"extracted":{"from":"news@shop.example"},"seen":"2030-01-01 00:00:00","hostname":"mx","received":"2030-01-01T00:00:00",
		"connection":{"local-port":0,"remote-port":0,"secure":false},"report":false,"mta":"mx2"}`
	m, err := queue.Unmarshal([]byte(in))
	require.NoError(t, err)
	out, err := queue.AppendJSON(nil, m)
	require.NoError(t, err)
	require.JSONEq(t, in, string(out))
	require.True(t, json.Valid(m.AppendRecord(nil)))
}
