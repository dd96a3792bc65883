package mailsig_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluicemail/sluice/internal/mailsig"
	"github.com/stretchr/testify/require"
)

// A list that is accepted gives back what it says: written anew, it is the same list.
func FuzzParseTags(f *testing.F) {
	f.Add("v=1; a=rsa-sha256; b=abc=\r\n def;")
	f.Add("v = DKIM1 ; p=")
	f.Add(";;=;a")
	f.Fuzz(func(t *testing.T, list string) {
		tags, err := mailsig.ParseTags(list)
		if err != nil {
			return
		}
		var again strings.Builder
		for _, tag := range tags {
			again.WriteString(tag.Name + "=" + tag.Value + ";")
		}
		back, err := mailsig.ParseTags(again.String())
		require.NoError(t, err)
		require.Len(t, back, len(tags))
		for i := range tags {
			require.Equal(t, tags[i].Name, back[i].Name)
			require.Equal(t, tags[i].Value, back[i].Value)
		}
	})
}

// Whatever stands in a signature and its key: no panic, and nothing passes.
func FuzzSignature(f *testing.F) {
	const key = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	f.Add(" v=1; a=ed25519-sha256; d=a.b; s=c; h=from; bh=AAAA; b=AAAA", key, "hello\r\n")
	f.Add(" i=1; a=rsa-sha256; d=a.b; s=c; cv=none; b=AAAA", "p=", "")
	f.Fuzz(func(t *testing.T, value, record, body string) {
		key, err := mailsig.ParseKey(record, 0)
		for _, style := range []mailsig.Style{mailsig.DKIM, mailsig.ARCMessage, mailsig.ARCSeal} {
			s, parseErr := mailsig.ParseSignature([]byte("X:"+value+"\r\n"), style)
			require.NotNil(t, s)
			if err != nil || parseErr != nil {
				continue
			}
			header := []byte("From: a@b\r\nX:" + value + "\r\n\r\n")
			m := mailsig.NewMessage(header, bytes.NewReader([]byte(string(header)+body)), int64(len(header)+len(body)))
			if style == mailsig.ARCSeal {
				require.Error(t, mailsig.VerifySeal(s, [][]byte{header}, key))
				continue
			}
			require.NoError(t, m.HashBody(t.Context(), s))
			require.Error(t, m.Verify(s, key))
		}
	})
}
