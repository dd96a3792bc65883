package rules

import "strings"

// ActionType is a kind of action, as the settings name it.
type ActionType struct {
	Name     string // as stored
	Meaning  string // for the reader
	Property string // what the column property holds; "": it plays no part
	Value    string // what the column value holds; "": it plays no part
	Rewrite  bool   // rewrite rules know it
	Response bool   // response patterns know it
}

// The names of action types.
const (
	actSet       = "set"
	actSetResult = "setresult"
	actAddIP     = "addip"
	actSetIP     = "setip"
	actRemoveIP  = "removeip"
	actSetPool   = "setpool"
	actUnsetPool = "unsetpool"
	actAddTag    = "addtag"
	actRemoveTag = "removetag"
	actFail      = "fail"
	actRetry     = "retry"
	actDelay     = "delay"
	actSmarthost = "smarthost"
)

// ActionTypes returns the kinds of actions there are, in the order in which to offer them.
func ActionTypes() []ActionType {
	const ips = "IP addresses, separated by commas"
	return []ActionType{
		{actSet, "sets a property of the message", "JSON pointer, such as /priority or /headers/update/x-class",
			"JSON, or text; null removes the property", true, true},
		{actSetResult, "sets a property of the result of the attempt", "JSON pointer, such as /fatal",
			"JSON, or text; null removes the property", false, true},
		{actAddIP, "lets the message also leave from these addresses", "", ips, true, true},
		{actSetIP, "lets the message leave from these addresses only", "", ips, true, true},
		{actRemoveIP, "lets the message no longer leave from these addresses", "", ips, true, true},
		{actSetPool, "lets the message leave from the addresses of a pool", "", "name of a pool", true, true},
		{actUnsetPool, "takes the message out of its pool", "", "", true, true},
		{actAddTag, "adds a tag", "", "tag", true, true},
		{actRemoveTag, "removes a tag", "", "tag", true, true},
		{actFail, "ends the message as a failure", "",
			"code, enhanced status code and description, each of which may be missing: 550 5.7.1 unwanted", true, true},
		{actDelay, "lets the message wait before its attempt, once for each rule", "", "seconds", true, false},
		{actRetry, "lets the next attempt come after a while", "", "seconds", false, true},
		{actSmarthost, "sends the message to a relay", "",
			"host:port, with user:password@ before it where the relay wants it", true, true},
	}
}

// actionName folds the name of an action type: case, blanks, dashes and underscores make no difference.
func actionName(name string) string {
	return strings.Map(func(c rune) rune {
		switch c {
		case ' ', '-', '_':
			return -1
		}
		return c
	}, strings.ToLower(strings.TrimSpace(name)))
}
