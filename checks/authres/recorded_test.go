package authres_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/checks/authres"
)

func TestRecordedResultsMakeAField(t *testing.T) {
	h := authres.Header{ID: "mx.example", Instance: 3, Results: authres.Recorded([]json.RawMessage{
		json.RawMessage(`{"spf":"pass","smtp.mailfrom":"ann@example.com"}`),
		json.RawMessage(`{"dkim":"fail","domain":"example.com","selector":"s1","header.i":"@example.com","header.b":"abc/def=","algorithm":"rsa-sha256","bits":2048,"reason":"body was changed"}`),
		json.RawMessage(`{"dmarc":"pass","header.from":"example.com","domain":"example.com"}`),
		json.RawMessage(`{"arc":"none"}`),
		json.RawMessage(`{"spam":"no","score":1.2}`),
		json.RawMessage(`{"virus":"clean"}`),
		json.RawMessage(`{"dkim":7}`), json.RawMessage(`[`), json.RawMessage(`{"spf":"pass; dkim=pass","smtp.mailfrom":"x"}`),
	})}
	require.Equal(t, strings.ReplaceAll(`ARC-Authentication-Results: i=3; mx.example;
	spf=pass smtp.mailfrom=ann@example.com;
	dkim=fail reason="body was changed" header.d=example.com
	header.i=@example.com header.s=s1 header.a=rsa-sha256 header.b="abc/def=";
	dmarc=pass header.from=example.com;
	arc=none
`, "\n", "\r\n"), string(h.Append(nil)))
	require.Empty(t, authres.Recorded(nil))
}
