package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The header fields of a request.
const (
	TimestampHeader  = "X-Sluice-Timestamp"  // when it was sent, in seconds since 1970
	SignatureHeader  = "X-Sluice-Signature"  // v1= and 64 hexadecimal digits; several with commas
	CheckpointHeader = "X-Sluice-Checkpoint" // number of the first of its results
)

// Window is how old, or how far ahead, the time stamp of a request may be when the receiver looks at it.
const Window = 5 * time.Minute

// The errors of Verify.
var (
	ErrUnsigned = errors.New("webhook: no signature, or no time stamp")
	ErrForged   = errors.New("webhook: the signature is not that of the secret")
	ErrStale    = errors.New("webhook: the time stamp is too far from now: sent again by somebody, or a clock is wrong")
)

// sign returns the value of SignatureHeader: HMAC-SHA256 (RFC 2104) of the time stamp, a dot and the body.
func sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Verify reports whether a request with this header and body was made by who knows the secret, within Window of now. It
// is for those who receive. The comparison takes as long whatever the signature is.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	timestamp, signature := header.Get(TimestampHeader), header.Get(SignatureHeader)
	if timestamp == "" || signature == "" {
		return ErrUnsigned
	}
	want := []byte(sign(secret, timestamp, body))
	ours := false
	for one := range strings.SplitSeq(signature, ",") {
		ours = hmac.Equal([]byte(strings.TrimSpace(one)), want) || ours
	}
	if !ours || secret == "" {
		return ErrForged
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > Window {
		return ErrStale
	}
	return nil
}
