// Package sheets has the pages of the settings: a list for each table, and a form for each row. Sheets.Pages returns
// them for a frame.
//
// A sheet describes the pages of one table; the sheets of what steers mail and of what sets the server up are listed in
// steering.go and setup.go. What a form asks for comes from the description of the table that package admin gives; the
// words are in words.go.
package sheets
