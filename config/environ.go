package config

import "strings"

// variable is one variable of the environment that is ours by its name.
type variable struct {
	name, key, value string
}

// ownVariables returns the variables that start with one of our prefixes, MAILERQ_ before MTAD_ so that the latter win.
// MailerQ's scripts receive MAILERQ_USERNAME and MAILERQ_PASSWORD: these are not keys.
func ownVariables(environ []string) []variable {
	var all []variable
	for _, prefix := range [...]string{"MAILERQ_", "MTAD_"} {
		for _, line := range environ {
			name, value, ok := strings.Cut(line, "=")
			rest, ours := strings.CutPrefix(name, prefix)
			if !ok || !ours || rest == "" || name == "MAILERQ_USERNAME" || name == "MAILERQ_PASSWORD" {
				continue
			}
			all = append(all, variable{
				name:  name,
				key:   strings.ReplaceAll(strings.ToLower(rest), "_", "-"),
				value: strings.TrimSpace(value),
			})
		}
	}
	return all
}
