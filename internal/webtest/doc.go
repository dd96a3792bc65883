// Package webtest is what surrounds a web server in tests: a clock, logs, and a browser that logs in and watches live
// data.
package webtest
