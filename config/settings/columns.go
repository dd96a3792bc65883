package settings

// Pattern types, as the columns "type" of locals, flood_responses, dkim_patterns and response_patterns name them.
const (
	Exact    = "exact"
	Regex    = "regex"
	Wildcard = "fnmatch" // of a shell: * ? []
	Contains = "substr"
	Global   = "global" // matches everything; dkim_patterns only

	ReplyClass = "class" // of a result; response_patterns only
)

const patternTypes = "`exact`, `regex`, `fnmatch` (shell wildcards) or `substr`"

// patterns are the choices of those columns.
var patterns = []Choice{{Exact, "is exactly"}, {Regex, "matches the regular expression"},
	{Wildcard, "matches with wildcards"}, {Contains, "contains"}}

// The columns below mean the same in several tables.

// patternType says how a pattern is meant.
func patternType[T any](at func(*T) *string) column[T] {
	return oneOf("type", patternTypes, patterns, at).required().label("Kind of pattern")
}

// localIP, pool, domain and tag are the selection that many rules share.
func localIP[T any](at func(*T) *string) column[T] {
	return text("localip", "source address; empty: all", at).as(Address).label("From address").blank("any address")
}

func pool[T any](at func(*T) *string) column[T] {
	return text("pool", "name of a pool of source addresses; empty: all", at).as(PoolName).label("From pool").
		blank("any pool")
}

func domain[T any](at func(*T) *string) column[T] {
	return text("domain", "recipient domain; empty: all", at).as(Domain).wild().label("Recipient domain").
		blank("all domains").hint("* stands for any text: *.example.com")
}

func tag[T any](at func(*T) *string) column[T] {
	return text("tag", "tag of the message; empty: all", at).label("Tag").blank("any tag")
}

// cluster and instance say which servers a row is for.
func cluster[T any](at func(*T) *bool) column[T] {
	return boolean("cluster", "1: all instances, 0: only the one in `instance`, where that names one", at).
		label("On all instances of the cluster").hint("otherwise on this one only")
}

func instance[T any](at func(*T) *int64) column[T] {
	return number("instance",
		"server-id of the one instance; 0: none, and the row is for every instance that reads it", at)
}

// code, extended and description are the result that mail gets without being tried. A code below 400 would destroy the
// mail.
func code[T any](at func(*T) *int64) column[T] {
	return number("code", "reply code of the result", at).from(400, 599).required().label("Code").
		hint("as in an SMTP reply, 400 to 599")
}

func extended[T any](at func(*T) *string) column[T] {
	return text("extended", "enhanced status code of the result", at).as(Status).label("Enhanced code").
		blank("such as 5.1.1")
}

func description[T any](at func(*T) *string) column[T] {
	return text("description", "description of the result", at).label("Description")
}

// moment is a time; hint tells how to write one.
func moment[T any](name, meaning string, at func(*T) *string) column[T] {
	return text(name, meaning, at).as(Time).unit("UTC").hint("YYYY-MM-DD HH:MM:SS, or a span from now: 30m, 2h, 3d")
}

func expire[T any](at func(*T) *string) column[T] {
	return moment("expire", "time at which the rule ends; empty: never", at).label("Until").blank("until it is removed")
}

// priority and final order the rules of a table.
func priority[T any](at func(*T) *int64) column[T] {
	return number("priority", "the lower number comes first", at).label("Priority").hint("the lower number comes first")
}

func final[T any](at func(*T) *bool) column[T] {
	return boolean("final", "1: no further rule is looked at after this one", at).
		label("Last rule: no further one is looked at after it")
}

// actionType, actionProperty and actionValue are an action of a rule.
func actionType[T any](at func(*T) *string) column[T] {
	return text("type", "what the action does", at).required().label("Action")
}

func actionProperty[T any](at func(*T) *string) column[T] {
	return text("property", "property, by JSON pointer, that it is about", at).label("Property")
}

func actionValue[T any](at func(*T) *string) column[T] {
	return text("value", "value for it", at).label("Value")
}

// enabled is what every rule has.
func enabled[T any](at func(*T) *bool) column[T] {
	c := boolean("enabled", "0: the row counts as absent", at).label("In force")
	c.Default = 1
	return c
}
