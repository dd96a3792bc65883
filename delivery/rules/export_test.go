package rules

import "github.com/sluicemail/sluice/internal/addr"

// TryDomain reports whether a column domain selects a domain.
func TryDomain(column, domain string) (bool, error) {
	s, err := compileSelector(columns{domain: column}, nil)
	if err != nil {
		return false, err
	}
	return s.selects(&query{}, addr.Fold(domain)), nil
}
