package database

import (
	"database/sql"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Postgres makes a pool by a configuration of the driver's, of which it takes a copy. dial limits the time to connect,
// unless the configuration does. name is the address without the password.
func Postgres(cfg *pgx.ConnConfig, dial time.Duration) (pool *sql.DB, name string) {
	cfg = cfg.Copy()
	// Prepared statements outlive neither a pooler in between nor a change of the schema.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = dial
	}
	name = Address{Scheme: "postgresql", User: cfg.User, Hosts: []Host{{cfg.Host, int(cfg.Port)}},
		Name: cfg.Database}.String()
	return stdlib.OpenDB(*cfg), name
}

// PostgresConfig makes the driver's configuration of an address. The password never is part of a text that the driver
// could repeat. An error is an *AddressError.
func PostgresConfig(a Address) (*pgx.ConnConfig, error) {
	var b strings.Builder
	put := func(key, value string) {
		if value != "" {
			b.WriteString(key + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "' ")
		}
	}
	hosts, ports := make([]string, len(a.Hosts)), make([]string, len(a.Hosts))
	for i, h := range a.Hosts {
		hosts[i], ports[i] = h.Name, strconv.Itoa(h.Port)
		if h.Port == 0 {
			ports[i] = "5432"
		}
	}
	if len(hosts) > 1 || hosts[0] != "" {
		put("host", strings.Join(hosts, ","))
	}
	put("port", strings.Join(ports, ","))
	put("user", a.User)
	put("dbname", a.Name)
	for name, value := range a.Params {
		put(name, value)
	}
	cfg, err := pgx.ParseConfig(b.String())
	if err != nil {
		return nil, &AddressError{"the driver does not take it: " + err.Error()}
	}
	if a.Password != "" {
		cfg.Password = a.Password
	}
	return cfg, nil
}

// MySQL makes a pool by a configuration of the driver's, of which it takes a copy, with what the callers rely on:
// strict mode, so that too long a value is an error and not cut, utf8mb4, and the number of rows found instead of
// changed. name is the address without the password.
func MySQL(cfg *mysql.Config, dial time.Duration) (pool *sql.DB, name string, err error) {
	cfg = cfg.Clone()
	cfg.ClientFoundRows = true
	cfg.MultiStatements = false
	cfg.InterpolateParams = true
	cfg.ParseTime = false
	cfg.Collation = "utf8mb4_bin"
	cfg.Logger = &mysql.NopLogger{}
	if cfg.Timeout == 0 {
		cfg.Timeout = dial
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["sql_mode"] = "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
	a := Address{Scheme: "mysql", User: cfg.User, Hosts: []Host{{Name: cfg.Addr}}, Name: cfg.DBName}
	if host, port, err := net.SplitHostPort(cfg.Addr); err == nil {
		n, _ := strconv.Atoi(port)
		a.Hosts[0] = Host{host, n}
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, a.String(), err
	}
	return sql.OpenDB(connector), a.String(), nil
}

// MySQLConfig makes the driver's configuration of an address. An error is an *AddressError.
func MySQLConfig(a Address) (*mysql.Config, error) {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = a.User, a.Password, a.Name
	h := a.Hosts[0]
	if h.Port == 0 {
		h.Port = 3306
	}
	if h.Name == "" {
		h.Name = "localhost"
	}
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(h.Name, strconv.Itoa(h.Port))
	if socket := a.Params["socket"]; socket != "" {
		cfg.Net, cfg.Addr = "unix", socket
	}
	switch tls := a.Params["tls"]; tls {
	case "", "false", "true", "skip-verify", "preferred":
		cfg.TLSConfig = tls
	default:
		return nil, &AddressError{"parameter tls is not true, false, preferred or skip-verify"}
	}
	return cfg, nil
}
