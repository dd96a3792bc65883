package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "has to start with sqlite://, postgresql:// or mysql://",
		"/var/lib/settings.db":                       "has to start with",
		"mariadb://hunter2@h/n":                      "has to start with",
		"sqlite://":                                  "path of a file",
		"sqlite:///var/lib/":                         "not a directory",
		"sqlite:///a.db?cache=shared":                "takes no parameters",
		"sqlite:///a\x00b":                           "control character",
		"mysql://u:hunter2@h":                        "has to name a database",
		"mysql://u:hunter2@h/":                       "has to name a database",
		"mysql://u:hunter2@h/a/b":                    "has to name a database",
		"mysql://u:hunter2@h:smtp/n":                 "port is not a number",
		"mysql://u:hunter2/n":                        "port is not a number",
		"mysql://u:hunter2@h:70000/n":                "port is not a number",
		"mysql://u:hunter2@2001:db8::1/n":            "the host is not understood",
		"mysql://u:hunter2@[zz]/n":                   "not an IPv6 address",
		"mysql://u:hunter2@a,b/n":                    "takes one host",
		"mysql://u:hunter2@h/n?tlss=true":            `unknown parameter "tlss"; known are socket, tls`,
		"mysql://u:hunter2@h/n?tls":                  "parameter tls has no value",
		"mysql://u:hunter2@h/n?tls=a&tls=b":          "given twice",
		"mysql://u:x@y/n?hunter2@h/n":                "is not understood",
		"mysql://u:hunter2@h/n?tls=maybe":            "tls is not true",
		"postgresql://u:hunter2@h/n?sslmode=perhaps": "the driver does not take it",
	} {
		_, err := Open(t.Context(), text, Options{})
		var wrong *AddressError
		require.ErrorAs(t, err, &wrong, text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2", text)
	}
}
