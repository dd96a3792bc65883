package local

import (
	"time"

	"github.com/sluicemail/sluice/throttle"
)

// configuration is the name under which base values appear as a rule.
const configuration = "configuration"

// Configuration has the throttle keys of the configuration file. Zero means unlimited, where nothing else is said.
type Configuration struct {
	DomainMaxMessages    int64         // domain-maxmessages: a minute, for each path
	DomainMaxConnects    int64         // domain-maxconnects: new connections a minute
	DomainMaxConnections int           // domain-maxconnections: at the same time
	DomainMaxQueue       int           // domain-maxqueue: messages in memory; zero: the engine's default
	IPMaxMessages        int64         // ip-maxmessages: a minute, to each target address
	IPMaxConnects        int64         // ip-maxconnects
	IPMaxConnections     int           // ip-maxconnections
	ConnMaxMessages      int           // connection-maxmessages: then it is closed
	ConnMaxIdle          time.Duration // connection-maxidle; zero: closed as soon as there is no work
	Security             string        // connection-secure, as queue.Security; "" is opportunistic
}

// Limits returns the values as a table's base.
func (c Configuration) Limits() throttle.Limits {
	l := throttle.Limits{
		Domain: throttle.Rates{Messages: c.DomainMaxMessages, Connects: c.DomainMaxConnects,
			Connections: c.DomainMaxConnections},
		Target:     throttle.Rates{Messages: c.IPMaxMessages, Connects: c.IPMaxConnects, Connections: c.IPMaxConnections},
		Connection: throttle.PerConnection{Messages: c.ConnMaxMessages, Idle: c.ConnMaxIdle, Security: c.Security},
		Queue:      throttle.PerQueue{Messages: c.DomainMaxQueue},
		Origin:     make(map[string]string),
	}
	for name, set := range map[string]bool{
		"maxmessages": c.DomainMaxMessages > 0, "maxconnects": c.DomainMaxConnects > 0,
		"maxconnections": c.DomainMaxConnections > 0,
		"ip_maxmessages": c.IPMaxMessages > 0, "ip_maxconnects": c.IPMaxConnects > 0,
		"ip_maxconnections":      c.IPMaxConnections > 0,
		"connection_maxmessages": c.ConnMaxMessages > 0, "connection_idle": true, "security": c.Security != "",
		"maxqueue": c.DomainMaxQueue > 0,
	} {
		if set {
			l.Origin[name] = configuration
		}
	}
	return l
}
