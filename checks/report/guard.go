package report

import (
	"bytes"
	"fmt"
	"io"
)

// Limits of what is parsed in one go: parsers take many times the memory of what they read when it consists of tiny pieces.
const (
	maxTag      = 16 << 10        // bytes of an XML tag, and so its attributes
	maxListed   = 5 * maxRecords  // results and reasons of a report on DMARC
	maxTLS      = 16 << 20        // bytes of a report on TLS
	maxElements = 20 * maxRecords // values of a report on TLS
)

// tagGuard reads XML and fails when a tag is too long.
type tagGuard struct {
	in     io.Reader
	inside bool
	quote  byte // in a tag: which ends the value of an attribute
	length int  // of the tag so far
}

func (g *tagGuard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	for i := 0; i < n; i++ {
		if !g.inside {
			next := bytes.IndexByte(p[i:n], '<')
			if next < 0 {
				break
			}
			g.inside, g.quote, g.length = true, 0, 0
			i += next
			continue
		}
		if err := g.within(p[i]); err != nil {
			return 0, err
		}
	}
	return n, err
}

// within takes the next byte of a tag.
func (g *tagGuard) within(c byte) error {
	switch g.length++; {
	case g.length > maxTag:
		return fmt.Errorf("a tag of more than %d bytes: %w", maxTag, ErrLarge)
	case g.length == 1 && (c == '!' || c == '?'): // a comment or the like, where quotes mean nothing
		g.inside = false
	case g.quote != 0:
		if c == g.quote {
			g.quote = 0
		}
	case c == '"' || c == '\'':
		g.quote = c
	case c == '>':
		g.inside = false
	}
	return nil
}

// countGuard reads JSON and fails when it has too many objects or values.
type countGuard struct {
	in              io.Reader
	objects, values int
}

func (g *countGuard) Read(p []byte) (int, error) {
	n, err := g.in.Read(p)
	for _, c := range p[:n] {
		switch c {
		case '{':
			g.objects++
		case ',':
			g.values++
		}
	}
	switch {
	case g.objects > maxRecords:
		return 0, tooMany(maxRecords, "objects")
	case g.values > maxElements:
		return 0, tooMany(maxElements, "values")
	}
	return n, err
}
