// Package consoletest surrounds a console in tests: a clock, logs, and a browser that logs in and watches live data.
package consoletest
