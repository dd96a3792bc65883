package sheets

import (
	"github.com/sluicemail/sluice/config/settings"
)

// Tools are what the pages of the settings ask of the rooms that the settings are for. Each may be nil: what needs it
// is left out of the page.
type Tools struct {
	// Flood and Reply report whether a flood pattern, or a response pattern, matches what a host answered, such as
	// "451 4.7.1 slow down". Their errors are for people.
	Flood, Reply func(typ, pattern, answer string) (bool, error)
	// Text reports whether a pattern matches an address or a domain.
	Text func(typ, pattern, text string) (bool, error)
	// Conditions reports for each condition of a rewrite rule whether it holds for a message, which comes as its JSON.
	Conditions func(all []Condition, message []byte) ([]bool, error)
	// Actions are what rewrite rules and response patterns can do.
	Actions []Action
	// Redirected tells for each redirect, by its id, how many messages it sent another way.
	Redirected func() map[int64]int64
	// Routes are those of the file of smtp-routes, and RoutesFile is its name.
	Routes     func() ([]settings.Route, error)
	RoutesFile string
}

// Condition is a condition of a rewrite rule, as in its table.
type Condition struct {
	Property, Type, Value string
	Negate                bool
}

// Action is a kind of action, as in the column "type".
type Action struct {
	Name, Meaning     string
	Property, Value   string // what these columns hold; "": they play no part
	Rewrite, Response bool   // who knows it
}
