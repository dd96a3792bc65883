// Package dashboard has a real Prometheus scrape mtad, and asks it all that the dashboard and the alerts ask.
package dashboard
