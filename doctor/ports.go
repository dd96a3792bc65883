package doctor

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// greetingTime is how long a port may take to greet.
const greetingTime = 5 * time.Second

// checkPorts connects to the ports as clients do, and looks for consoles that speak in clear to everybody.
func checkPorts(r *round) {
	each(r.Listeners, r.checkListener)
	for _, address := range r.Consoles {
		host, err := netip.ParseAddrPort(address)
		if err == nil && (host.Addr().IsLoopback() || host.Addr().IsPrivate()) {
			continue
		}
		r.warn("console-clear", address, "the console can be reached from elsewhere without TLS: passwords go in clear",
			"set www-ip to 127.0.0.1, or use www-secure-port")
	}
}

func (r *round) checkListener(l Listener) {
	ctx, cancel := context.WithTimeout(r.ctx, greetingTime)
	defer cancel()
	conn, err := r.dial(ctx, "tcp", l.Address)
	if err != nil {
		r.fail("port-closed", l.Name, "nobody answers: "+err.Error(), "start mtad, or look why it does not listen there")
		return
	}
	defer conn.Close()
	if l.Implicit { // its certificate is looked at as a file
		return
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	lines := bufio.NewReader(conn)
	greeting, err := lines.ReadString('\n')
	switch {
	case err != nil:
		r.fail("port-silent", l.Name, "it takes connections, and does not greet: "+err.Error(),
			"look whether smtp-range allows this machine, and what listens there")
		return
	case !strings.HasPrefix(greeting, "220"):
		r.warn("port-refuses", l.Name, "it greets with "+quoted(greeting), "look whether it is stopped (console: Services)")
		return
	}
	fmt.Fprintf(conn, "EHLO %s\r\n", "doctor.invalid")
	offered := false
	for {
		line, err := lines.ReadString('\n')
		offered = offered || len(line) > 4 && strings.EqualFold(strings.TrimSpace(line[4:]), "STARTTLS")
		if err != nil || len(line) < 4 || line[3] != '-' {
			break
		}
	}
	fmt.Fprint(conn, "QUIT\r\n")
	if !offered {
		remedy := "set smtp-certificate and smtp-key"
		if l.StartTLS {
			remedy = "look in the log why the certificate is not used"
		}
		r.warn("no-starttls", l.Name, "it does not offer TLS", remedy)
	}
}

// dialHost connects to a host whose address the resolver knows.
func (r *round) dialHost(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := r.Resolver.LookupNetIP(ctx, "ip", host)
	for _, ip := range addresses {
		var conn net.Conn
		if conn, err = r.dial(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
