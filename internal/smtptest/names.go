package smtptest

import "bytes"

// named is an action that a recipient asks for by its name.
type named struct {
	stage  Stage
	action Action
}

// nameTable lists every name that asks for something: "defer" and the like at RCPT, "defer-data", "defer-dot" later.
func nameTable() map[string]named {
	table := map[string]named{}
	for _, word := range []string{"reject", "defer", "hang", "close", "garbage", "slow", "greylist"} {
		for _, stage := range []Stage{Rcpt, Data, Dot} {
			action, err := ParseAction(stage, word)
			if err != nil {
				continue
			}
			table[word+"-"+stage.String()] = named{stage, action}
			if stage == Rcpt {
				table[word] = named{stage, action}
			}
		}
	}
	return table
}

// lookUp finds what the recipient asks for: by the first label of its domain, else by its local part up to a "+".
func lookUp(table map[string]named, recipient []byte) (named, bool) {
	at := bytes.LastIndexByte(recipient, '@')
	if at < 0 {
		at = len(recipient)
	} else {
		label, _, _ := bytes.Cut(recipient[at+1:], []byte{'.'})
		if n, ok := lookUpWord(table, label); ok {
			return n, true
		}
	}
	local, _, _ := bytes.Cut(recipient[:at], []byte{'+'})
	return lookUpWord(table, local)
}

func lookUpWord(table map[string]named, word []byte) (named, bool) {
	if len(word) >= 3 && (word[0] == '4' || word[0] == '5') && digit(word[1]) && digit(word[2]) {
		return lookUpCode(word)
	}
	n, ok := table[string(word)]
	return n, ok
}

// lookUpCode understands a reply code as a name: "452", "554-dot".
func lookUpCode(word []byte) (named, bool) {
	n := named{Rcpt, Action{Act: Reply, Code: number(word[:3]), Text: string(word[:1]) + ".0.0 As you asked"}}
	if len(word) == 3 {
		return n, true
	}
	stage, err := ParseStage(string(word[4:]))
	if word[3] != '-' || err != nil || stage < Rcpt {
		return n, false
	}
	n.stage = stage
	return n, true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}
