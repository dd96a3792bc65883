package rawurl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluicemail/sluice/internal/rawurl"
)

func TestUnescapeLoose(t *testing.T) {
	for in, want := range map[string]string{
		"":          "",
		"a%3Ab":     "a:b",
		"a%3ab":     "a:b",
		"100%":      "100%",
		"%4":        "%4",
		"%zz%4g%41": "%zz%4gA",
		"%2541":     "%41",
		"%%41":      "%A",
		"%00":       "\x00",
	} {
		require.Equal(t, want, rawurl.UnescapeLoose(in), in)
	}
}
