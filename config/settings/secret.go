package settings

import (
	"fmt"
	"log/slog"
)

// Secret is a text that shows as asterisks wherever it is printed, logged or written as JSON. string(s) is the text
// itself.
type Secret string

// String hides the secret; the empty one stays empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "*****"
}

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// LogValue hides the secret from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
