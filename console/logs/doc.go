// Package logs has the page that searches the logs, follows them live, and downloads what was found.
package logs
