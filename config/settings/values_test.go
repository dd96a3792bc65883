package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, s := range []string{"2026-03-04 05:06:07", " 2026-03-04T05:06:07Z ", "2026-03-04T05:06:07",
		"2026-03-04 07:06:07+02:00", "2026-03-04 05:06:07+00", "1772600767"} {
		got, err := ParseTime(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	require.Equal(t, "2026-03-04 05:06:07", FormatTime(want))
	for _, s := range []string{"", " ", "0"} {
		got, err := ParseTime(s)
		require.NoError(t, err)
		require.True(t, got.IsZero())
	}
	require.Empty(t, FormatTime(time.Time{}))
	got, err := ParseTime("2026-03-04")
	require.NoError(t, err)
	require.Equal(t, "2026-03-04 00:00:00", FormatTime(got))
	got, err = ParseTime("2026-03-04 05:06:07.25")
	require.NoError(t, err)
	require.Equal(t, want.Add(250*time.Millisecond), got)
	for _, s := range []string{"tomorrow", "-1", "99999999999999", "2026-13-01 00:00:00"} {
		_, err := ParseTime(s)
		require.Error(t, err, s)
	}
}

func TestSecretsStayHidden(t *testing.T) {
	const secret = "hunter2"
	rows := Rows{DKIMKeys: []DKIMKey{{ID: 7, PrivateKey: secret}}, Tokens: []Token{{Hash: secret}}}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", rows)
		fmt.Fprintf(&b, verb+"\n", rows.DKIMKeys[0].PrivateKey)
	}
	require.NoError(t, json.NewEncoder(&b).Encode(rows))
	slog.New(slog.NewTextHandler(&b, nil)).Info("row", "key", rows.DKIMKeys[0], "secret", rows.DKIMKeys[0].PrivateKey)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("row", "key", rows.DKIMKeys[0], "secret", rows.DKIMKeys[0].PrivateKey)
	require.NotContains(t, b.String(), secret)
	require.NotContains(t, b.String(), fmt.Sprintf("%x", secret))
	require.Contains(t, b.String(), "*****")
	require.Empty(t, Secret("").String())
	require.Equal(t, secret, string(rows.DKIMKeys[0].PrivateKey))
}

func TestTokenMatches(t *testing.T) {
	token, hash := NewToken()
	require.GreaterOrEqual(t, len(token), 26)
	other, _ := NewToken()
	require.NotEqual(t, token, other)
	require.True(t, strings.HasPrefix(string(hash), "sha256:"))
	require.True(t, Token{Hash: hash}.Matches(token))
	require.True(t, Token{Hash: Secret(hashPrefix + strings.ToUpper(string(hash[len(hashPrefix):])))}.Matches(token))
	for _, wrong := range []string{"", other, string(hash), token + " "} {
		require.False(t, Token{Hash: hash}.Matches(wrong))
	}
	for _, stored := range []Secret{"", "sha256:", Secret(token), hash[:len(hash)-2], "sha256:zz", HashToken("")} {
		require.False(t, Token{Hash: stored}.Matches(""), "%q", string(stored))
		require.False(t, Token{Hash: stored}.Matches(token), "%q", string(stored))
	}
}

func TestValueByName(t *testing.T) {
	var r Capacity
	for name, v := range map[string]any{"name": "slow", "ip_maxbytes": "100", "maxmessages": -1, "enabled": "on"} {
		require.NoError(t, SetValue(&r, name, v))
	}
	require.Equal(t, Capacity{Name: "slow", Enabled: true,
		Limits: Limits{Site: Rates{MaxMessages: -1}, IP: Rates{MaxBytes: 100}}}, r)
	require.NoError(t, SetValue(&r, "enabled", ""))
	require.False(t, r.Enabled)
	v, err := Value(&r, "enabled")
	require.NoError(t, err)
	require.Equal(t, false, v)
	v, err = Value(&r, "id")
	require.NoError(t, err)
	require.Equal(t, int64(0), v)
	require.ErrorContains(t, SetValue(&r, "maxbytes", "lots"), `maxbytes is the text "lots", not an integer`)
	require.ErrorContains(t, SetValue(&r, "colour", 1), `table capacity has no column "colour"`)
	_, err = Value(&r, "colour")
	require.Error(t, err)
}

// TestFallBackLimits goes through every field, so that none can be left out of the description of the columns.
func TestFallBackLimits(t *testing.T) {
	var count func(v reflect.Value) int
	count = func(v reflect.Value) (n int) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Struct {
				n += count(f)
			} else {
				require.EqualValues(t, -1, f.Int(), v.Type().Field(i).Name)
				n++
			}
		}
		return n
	}
	require.Greater(t, count(reflect.ValueOf(FallBackLimits())), 30)
}
