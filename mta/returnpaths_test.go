package mta

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/config/settings"
	"github.com/sluicemail/sluice/queue"
)

// TestReturnPathProperty has messages ask for return paths in every way.
func TestReturnPathProperty(t *testing.T) {
	args, _ := arguments(t)
	for _, all := range []bool{true, false} {
		m := open(t, append(args, "--verp", "bounces.example.org", "--verp-all", fmt.Sprint(all)), Options{})
		for property, want := range map[string]string{
			"": "bounces.example.org", "true": "bounces.example.org", `"true"`: "bounces.example.org", "false": "", `"0"`: "",
			`"b-{token}@returns.{domain}"`: "returns.shop.example", `"returns.example"`: "returns.example",
			`"{token}{token}@x.example"`: "bounces.example.org", "7": "bounces.example.org", "null": "bounces.example.org",
		} {
			message := &queue.Message{ID: "1-abc", Envelope: "news@shop.example", Recipient: "ann@example.com"}
			if property != "" {
				message.Extra = map[string]json.RawMessage{"verp": json.RawMessage(property)}
			} else if !all {
				want = ""
			}
			address, envid := m.engine.ReturnPath(message)
			_, domain, _ := strings.Cut(address, "@")
			require.Equal(t, want, domain, property)
			if want == "" {
				require.Empty(t, envid)
				continue
			}
			require.Contains(t, address, envid)
		}
		require.NoError(t, m.Shutdown(t.Context()))
	}
	require.Nil(t, open(t, args, Options{}).engine.ReturnPath, "they are off unless asked for")
	cfg, _, err := Load(append(args, "--verp", "bounce{token}@x.example"), nil)
	require.Nil(t, cfg)
	require.ErrorContains(t, err, "expected a domain or an address with {token}")
	require.ErrorContains(t, err, "such as +")
}

// TestReturnPathKeys has keys made, kept over a restart, replaced in time, and removed when nothing that they signed
// counts any more.
func TestReturnPathKeys(t *testing.T) {
	args, _ := arguments(t)
	args = append(args, "--verp", "bounces.example.org")
	m := open(t, args, Options{})
	rows := m.settings.Current().Rows.ReturnPathKeys
	require.Len(t, rows, 1)
	secret, err := base64.StdEncoding.DecodeString(string(rows[0].Secret))
	require.NoError(t, err)
	require.Len(t, secret, 32)
	require.NoError(t, m.Shutdown(t.Context()))
	m = open(t, args, Options{})
	require.Equal(t, rows, m.settings.Current().Rows.ReturnPathKeys)

	now := time.Now().UTC()
	row := func(id int64, days int) settings.ReturnPathKey {
		return settings.ReturnPathKey{ID: id, Created: now.AddDate(0, 0, -days).Format(time.DateTime)}
	}
	r := &returnPaths{}
	r.Lifetime = 30 * 24 * time.Hour
	for name, c := range map[string]struct {
		rows    []settings.ReturnPathKey
		missing bool
		over    []int64
	}{
		"none":                     {nil, true, nil},
		"a new one":                {[]settings.ReturnPathKey{row(1, 3)}, false, nil},
		"one that is old":          {[]settings.ReturnPathKey{row(1, 31)}, true, nil},
		"one that has a successor": {[]settings.ReturnPathKey{row(1, 61), row(2, 20)}, false, nil},
		"one that is over":         {[]settings.ReturnPathKey{row(1, 70), row(2, 20)}, false, []int64{1}},
		"one that makes no sense":  {[]settings.ReturnPathKey{{ID: 9, Created: "soon"}}, true, []int64{9}},
	} {
		missing, over := r.turnover(c.rows, now)
		require.Equal(t, c.missing, missing, name)
		require.Equal(t, c.over, over, name)
	}
}

// TestUnsubscribing gives mail the fields that it asks for by naming nothing, and with verp-unsubscribe all mail that
// has none.
func TestUnsubscribing(t *testing.T) {
	args, _ := arguments(t)
	const off = "https://mta.example.org/unsubscribe/"
	args = append(args, "--verp", "bounces.example.org", "--unsubscribe-url", off)
	for _, always := range []bool{false, true} {
		m := open(t, append(args, "--verp-unsubscribe", fmt.Sprint(always)), Options{})
		for _, c := range []struct {
			name, envelope, property, header string
			made                             bool
		}{
			{"asks for nothing", "a@x.example", "", "Subject: x\r\n", always},
			{"has its own", "a@x.example", "", "List-Unsubscribe: <https://own.example>\r\n", false},
			{"asks for one", "a@x.example", "{}", "Subject: x\r\n", true},
			{"asks for it in place of its own", "a@x.example", "{}", "List-Unsubscribe: <https://own.example>\r\n", true},
			{"names its own", "a@x.example", `{"url":"https://own.example"}`, "Subject: x\r\n", false},
			{"is a bounce", "", "", "Subject: x\r\n", false},
		} {
			message := &queue.Message{ID: "1-abc", Envelope: c.envelope, Recipient: "ann+x@example.com",
				Unsubscribe: json.RawMessage(c.property), Body: queue.Bytes(c.header + "\r\nHello.\r\n")}
			if c.property == "" {
				message.Unsubscribe = nil
			}
			var err error
			if message.Unsubscribe != nil {
				message.Body, err = m.engine.Render(t.Context(), message, message.Body)
				require.NoError(t, err, c.name)
			}
			body, err := m.engine.Edit(t.Context(), message)
			require.NoError(t, err, c.name)
			mail, err := queue.ReadBody(body)
			require.NoError(t, err, c.name)
			made := `List-Unsubscribe: <mailto:unsubscribe\+[0-9a-v]+@bounces\.example\.org>,\s+` +
				`<https://mta\.example\.org/unsubscribe/[0-9a-v]+\?to=ann%2Bx%40example.com>\r\n` +
				`List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n`
			if c.made {
				require.Regexp(t, made, string(mail), c.name)
			} else {
				require.NotContains(t, string(mail), "bounces.example.org", c.name)
			}
		}
		long := &queue.Message{ID: "1-abc", Envelope: "a@x.example", Recipient: strings.Repeat("é", 300) + "@example.com",
			Body: queue.Bytes("Subject: x\r\n\r\nHello.\r\n")}
		body, err := m.engine.Edit(t.Context(), long)
		require.NoError(t, err)
		require.Equal(t, long.Body, body, "it leaves without")
		require.NoError(t, m.Shutdown(t.Context()))
	}
	for _, c := range [][]string{{"--unsubscribe-url", off, "--rabbitmq-feedback", ""}, {"--unsubscribe-url", "http://x.example"}, {"--unsubscribe-url", off + "?a=b"}} {
		_, _, err := Load(append(args, c...), nil)
		require.ErrorContains(t, err, "an https:// address", c)
	}
	args, _ = arguments(t)
	_, _, err := Load(append(args, "--verp-unsubscribe", "true"), nil)
	require.ErrorContains(t, err, "verp and rabbitmq-feedback beside it")
}
