package template

import "github.com/sluicemail/sluice/internal/textcache"

// Cache keeps compiled templates, and the errors of those that cannot be compiled, for each text one. Its zero value is
// ready and keeps 64 MiB; its methods are safe for concurrent use.
type Cache struct{ texts textcache.Cache[compiled] }

type compiled struct {
	template *Template
	err      error
}

// treeFactor is about how many bytes a byte of text takes in a tree.
const treeFactor = 2

// Compile returns the compiled form of a text. Errors are *Error. It makes a copy of the text when it is new.
func (c *Cache) Compile(text []byte) (*Template, error) {
	kept := c.texts.Get(text, func(text string) (compiled, int) {
		t, err := Compile(text)
		return compiled{t, err}, treeFactor * len(text)
	})
	return kept.template, kept.err
}
