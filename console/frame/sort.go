package frame

// Sort is what a table is sorted by: the key of a column, with "-" before it the greatest first.
type Sort string

// Click is what a table is sorted by after a click on the head of a column. Numbers begin with the greatest, columns of
// texts and times with the least; a second click turns it round.
func (s Sort) Click(key string, least bool) Sort {
	up, down := Sort(key), Sort("-"+key)
	if s == down || least && s != up {
		return up
	}
	return down
}

// Direction is the value of aria-sort for a column.
func (s Sort) Direction(key string) string {
	switch s {
	case Sort(key):
		return "ascending"
	case Sort("-" + key):
		return "descending"
	}
	return "none"
}
