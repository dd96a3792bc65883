package mailheader

import "bytes"

// AppendAddresses appends the addresses in a list of them (RFC 5322 §3.4), whatever else is wrong with the list: of
// each item what stands in the first angle brackets, else the item itself when it has an @. Comments and the names of
// groups are passed over. With most it stops when dst holds so many; zero is no limit.
func AppendAddresses(dst [][]byte, list []byte, most int) [][]byte {
	return appendItems(dst, list, most, bare)
}

// AppendRecipients is AppendAddresses for the addresses that a mail is to go to: an item of one word without an @ is
// one that lacks its domain. Of an item that is no address, such as words without a comma between them, all is
// appended, so that its sender can be told.
func AppendRecipients(dst [][]byte, list []byte) [][]byte {
	return appendItems(dst, list, 0, recipient)
}

// appendItems is AppendAddresses with what to make of an item without angle brackets.
func appendItems(dst [][]byte, list []byte, most int, plain func([]byte) []byte) [][]byte {
	start, bracket := 0, []byte(nil)
	end := func(at int) {
		if bracket == nil {
			bracket = plain(list[start:at])
		}
		if len(bracket) > 0 {
			dst = append(dst, bracket)
		}
		start, bracket = at+1, nil
	}
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '"':
			i = quoted(list, i)
		case '(':
			i = comment(list, i)
		case '<':
			last := bracketed(list, i)
			if bracket == nil {
				bracket = bytes.TrimSpace(list[i+1 : last])
			}
			i = last
		case ':': // a group begins
			start = i + 1
		case ',', ';':
			end(i)
			if most > 0 && len(dst) >= most {
				return dst
			}
		}
	}
	if start < len(list) {
		end(len(list))
	}
	return dst
}

// bare returns an item without angle brackets, without its blanks and comments; nil when it has no @.
func bare(item []byte) []byte {
	item = bytes.TrimSpace(item)
	switch {
	case bytes.IndexByte(item, '@') < 0:
		return nil
	case !bytes.ContainsAny(item, " \t\r\n("):
		return item
	}
	out := stripped(item, true)
	if bytes.IndexByte(out, '@') < 0 {
		return nil
	}
	return out
}

// recipient returns an item without its comments; nil when there is nothing else, or empty angle brackets.
func recipient(item []byte) []byte {
	out := bytes.TrimSpace(stripped(item, false))
	if bytes.HasSuffix(out, []byte(">")) {
		return nil
	}
	return out
}

// stripped returns an item without its comments, and perhaps without its blanks.
func stripped(item []byte, blanks bool) []byte {
	out := make([]byte, 0, len(item))
	for i := 0; i < len(item); i++ {
		switch c := item[i]; {
		case c == '"':
			last := min(quoted(item, i)+1, len(item))
			out = append(out, item[i:last]...)
			i = last - 1
		case c == '(':
			i = comment(item, i)
		case blanks && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
		default:
			out = append(out, c)
		}
	}
	return out
}

// quoted returns where the quoted text that begins at i ends.
func quoted(list []byte, i int) int {
	for i++; i < len(list) && list[i] != '"'; i++ {
		if list[i] == '\\' {
			i++
		}
	}
	return i
}

// comment returns where the comment that begins at i ends. Comments nest.
func comment(list []byte, i int) int {
	depth := 0
	for ; i < len(list); i++ {
		switch list[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}

// bracketed returns where the angle brackets that begin at i end.
func bracketed(list []byte, i int) int {
	for i++; i < len(list) && list[i] != '>'; i++ {
		if list[i] == '"' {
			i = quoted(list, i)
		}
	}
	return min(i, len(list))
}
