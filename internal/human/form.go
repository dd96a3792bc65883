package human

import "net/url"

// Form is the fields of a search that a person types: by the names that they have in the address of the page.
type Form map[string]*string

// Read fills the fields with what an address says, as it was typed: at most so many bytes each.
func (f Form) Read(q url.Values, most int) {
	for name, field := range f {
		*field = Typed(Cut(q.Get(name), most))
	}
}

// Values are the fields that say something, for an address.
func (f Form) Values() url.Values {
	q := url.Values{}
	for name, field := range f {
		if *field != "" {
			q.Set(name, *field)
		}
	}
	return q
}
