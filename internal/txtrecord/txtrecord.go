// Package txtrecord reads the records that domains publish as texts of "name=value" with semicolons between them, as
// for MTA-STS (RFC 8461 §3.1) and reports on TLS (RFC 8460 §3).
package txtrecord

import "strings"

// Values returns the values of a name in the one text that begins with a version, such as "v=STSv1"; none when there is
// another number of these.
func Values(texts []string, version, name string) (values []string) {
	found := 0
	for _, text := range texts {
		fields := strings.Split(text, ";")
		if strings.TrimSpace(fields[0]) != version {
			continue
		}
		found++
		for _, field := range fields[1:] {
			if n, value, _ := strings.Cut(field, "="); strings.TrimSpace(n) == name {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	if found != 1 {
		return nil
	}
	return values
}
