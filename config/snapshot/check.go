package snapshot

import "github.com/sluicemail/sluice/config/settings"

// Check compiles rows and returns why the one with this table and id would be left out; "" when it would be in force.
// It is for callers that want to know before they write a row.
func Check(rows *settings.Rows, table settings.TableName, id int64) string {
	for _, b := range Compile(rows).Broken {
		if b.Table == table && b.ID == id {
			return b.Reason
		}
	}
	return ""
}
