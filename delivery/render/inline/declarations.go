package inline

import "strings"

// declaration is a property with its value.
type declaration struct {
	property  string // lower case, unless it is custom
	value     string
	important bool
}

// parseDeclarations takes the inside of a block apart. What is no declaration is left out.
func parseDeclarations(s string) []declaration {
	var all []declaration
	for _, text := range splitTop(s, ';') {
		property, value, found := strings.Cut(text, ":")
		property, value = strings.TrimSpace(property), strings.TrimSpace(value)
		if !strings.HasPrefix(property, "--") {
			property = strings.ToLower(property)
		}
		if !found || property == "" || value == "" || strings.ContainsAny(property, " \t\r\n\"'{}<>&") {
			continue
		}
		value, important := cutImportant(value)
		if value == "" || strings.ContainsAny(value, "{}") {
			continue
		}
		all = append(all, declaration{property, strings.Join(strings.Fields(value), " "), important})
	}
	return all
}

func cutImportant(value string) (string, bool) {
	mark := strings.LastIndexByte(value, '!')
	if mark < 0 || !strings.EqualFold(strings.TrimSpace(value[mark+1:]), "important") {
		return value, false
	}
	return strings.TrimSpace(value[:mark]), true
}

// style is what rules say about a tag.
type style struct{ normal, important []declaration }

// add adds the declarations of a rule that is stronger than all before.
func (s *style) add(block []declaration) {
	s.normal = override(s.normal, block, false)
	s.important = override(s.important, block, true)
}

// override adds the declarations of a block with this importance, and leaves out the earlier ones of the same
// properties. Within a block there may be several of one: mail programs take the last that they understand.
func override(all, block []declaration, important bool) []declaration {
	kept := all[:0:0]
	for _, d := range all {
		if !declares(block, d.property, important) {
			kept = append(kept, d)
		}
	}
	for _, d := range block {
		if d.important == important {
			kept = append(kept, d)
		}
	}
	return kept
}

func declares(block []declaration, property string, important bool) bool {
	for _, d := range block {
		if d.property == property && d.important == important {
			return true
		}
	}
	return false
}

// with returns the value of the attribute style of a tag that has this one: rules, the tag's own style, important
// rules, and what is important in the tag. The mark of important rules goes: in an attribute they are stronger than all
// sheets but for rules that are important there, such as those for narrow screens.
func (s *style) with(own string) string {
	block := parseDeclarations(own)
	all := override(s.normal, block, false)
	for _, d := range s.important {
		all = override(all, []declaration{{d.property, d.value, false}}, false)
	}
	all = append(all, override(nil, block, true)...)
	var b strings.Builder
	for i, d := range all {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(d.property + ":" + d.value)
		if d.important {
			b.WriteString(" !important")
		}
	}
	return b.String()
}
