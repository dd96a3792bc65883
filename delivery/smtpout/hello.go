package smtpout

import (
	"crypto/tls"
	"slices"
)

// hello is how TLS is begun.
type hello struct {
	size  helloSize
	fresh bool // no earlier session is taken up
}

// helloSize is how large a ClientHello a remote gets. With the key of a post-quantum exchange it takes two packets,
// and there are servers that read one.
type helloSize uint8

const (
	largeHello helloSize = iota
	smallHello           // a large one failed, a small one did not
	anyHello             // both failed: what is wrong is something else
)

// smallGroups returns the groups whose keys are small; none are preferred: those of crypto/tls.
func smallGroups(preferred []tls.CurveID) []tls.CurveID {
	if len(preferred) == 0 {
		return []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return slices.DeleteFunc(slices.Clone(preferred), func(id tls.CurveID) bool {
		return id == tls.X25519MLKEM768 || id == tls.SecP256r1MLKEM768 || id == tls.SecP384r1MLKEM1024
	})
}
