package report

import (
	"bytes"
	"fmt"
	"io"
)

// Limits of what is parsed in one go, and of what comes of it: parsers take many times the memory of what they read
// when it consists of tiny pieces. A mail takes less than 64 MiB while it is read, whatever it is.
const (
	maxElement  = 256 << 10 // bytes of an element of a report on DMARC
	maxNested   = 32        // elements within elements, of which reports on DMARC need six
	maxPolicy   = 4 << 20   // bytes of a policy of a report on TLS
	maxObjects  = 10_000    // in a policy, and so failures
	maxElements = 50_000    // values in a policy
	maxKept     = 16 << 20  // bytes of memory that a report comes to
)

// guard reads a document and fails when one of its elements is too large. It must be renewed before each of them.
type guard struct {
	in   io.Reader
	most int // bytes of an element
	json bool
	used
}

// used is what was read of an element.
type used struct{ bytes, objects, values int }

func (g *guard) renew() { g.used = used{} }

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	g.bytes += n
	if g.json {
		g.objects += bytes.Count(p[:n], []byte("{"))
		g.values += bytes.Count(p[:n], []byte(","))
	}
	switch {
	case g.bytes > g.most:
		return 0, fmt.Errorf("an element of more than %d bytes: %w", g.most, ErrLarge)
	case g.objects > maxObjects:
		return 0, tooMany(maxObjects, "objects in an element")
	case g.values > maxElements:
		return 0, tooMany(maxElements, "values in an element")
	}
	return n, err
}

// kept counts the memory that a report comes to.
type kept int

// add counts a structure of so many bytes, with what lists of it need to grow, and its texts.
func (k *kept) add(structure int, texts ...string) {
	*k += kept(structure)
	for _, t := range texts {
		*k += kept(len(t))
	}
}

// err returns an error when it has become too much.
func (k *kept) err() error {
	if *k > maxKept {
		return fmt.Errorf("more than %d bytes when read: %w", maxKept, ErrLarge)
	}
	return nil
}
