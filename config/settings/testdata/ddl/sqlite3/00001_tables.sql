-- +goose Up
CREATE TABLE IF NOT EXISTS "locals" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "address" TEXT,
    "type" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "mtanames" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "name" TEXT
);
CREATE TABLE IF NOT EXISTS "mtalabels" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "label" TEXT
);
CREATE TABLE IF NOT EXISTS "ips" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "ip" TEXT,
    "hostname" TEXT
);
CREATE TABLE IF NOT EXISTS "blocklist" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "value" TEXT,
    "code" INTEGER,
    "description" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "capacity" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "priority" INTEGER,
    "maxmessages" INTEGER,
    "maxbytes" INTEGER,
    "maxconnects" INTEGER,
    "maxconnections" INTEGER,
    "maxstarting" INTEGER,
    "maxidle" INTEGER,
    "ip_maxmessages" INTEGER,
    "ip_maxbytes" INTEGER,
    "ip_maxconnects" INTEGER,
    "ip_maxconnections" INTEGER,
    "ip_maxstarting" INTEGER,
    "ip_maxidle" INTEGER,
    "connection_maxmessages" INTEGER,
    "connection_maxbytes" INTEGER,
    "connection_minmessages" INTEGER,
    "connection_idle" INTEGER,
    "connection_offline" INTEGER,
    "connection_spread" INTEGER,
    "security" INTEGER,
    "maxqueue" INTEGER,
    "retryshare" INTEGER,
    "greylist_delay" INTEGER,
    "greylist_sameip" INTEGER,
    "bind_retry" INTEGER,
    "lost_offline" INTEGER,
    "invalid_offline" INTEGER,
    "timeout_connect" INTEGER,
    "timeout_intro" INTEGER,
    "timeout_command" INTEGER,
    "timeout_data" INTEGER,
    "timeout_message" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "capacity_rules" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "capacity" INTEGER,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "flood_responses" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "pattern" TEXT,
    "type" TEXT,
    "localip" TEXT,
    "domain" TEXT,
    "pause" INTEGER,
    "duration" INTEGER,
    "maxmessages" INTEGER,
    "maxbytes" INTEGER,
    "maxconnects" INTEGER,
    "maxconnections" INTEGER,
    "maxstarting" INTEGER,
    "maxidle" INTEGER,
    "ip_maxmessages" INTEGER,
    "ip_maxbytes" INTEGER,
    "ip_maxconnects" INTEGER,
    "ip_maxconnections" INTEGER,
    "ip_maxstarting" INTEGER,
    "ip_maxidle" INTEGER,
    "connection_maxmessages" INTEGER,
    "connection_maxbytes" INTEGER,
    "connection_minmessages" INTEGER,
    "connection_idle" INTEGER,
    "connection_offline" INTEGER,
    "connection_spread" INTEGER,
    "security" INTEGER,
    "maxqueue" INTEGER,
    "retryshare" INTEGER,
    "greylist_delay" INTEGER,
    "greylist_sameip" INTEGER,
    "bind_retry" INTEGER,
    "lost_offline" INTEGER,
    "invalid_offline" INTEGER,
    "timeout_connect" INTEGER,
    "timeout_intro" INTEGER,
    "timeout_command" INTEGER,
    "timeout_data" INTEGER,
    "timeout_message" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedules" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedule_steps" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "schedule" INTEGER,
    "day" INTEGER,
    "capacity" INTEGER
);
CREATE TABLE IF NOT EXISTS "schedule_rules" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "schedule" INTEGER,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedule_days" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "site" TEXT,
    "day" INTEGER,
    "lastsent" TEXT
);
CREATE TABLE IF NOT EXISTS "pools" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "description" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "poolips" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "pool" TEXT,
    "ip" TEXT
);
CREATE TABLE IF NOT EXISTS "externalmtas" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "public_ip" TEXT,
    "local_ip" TEXT,
    "connect_ip" TEXT,
    "connect_port" INTEGER,
    "protocol" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "dkim_keys" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "domain" TEXT,
    "selector" TEXT,
    "privatekey" TEXT,
    "expire" TEXT,
    "headers" TEXT,
    "priority" INTEGER,
    "protocols" TEXT,
    "canonicalization" TEXT,
    "report" INTEGER,
    "checkdns" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "dkim_patterns" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "dkim_key" INTEGER,
    "type" TEXT,
    "sign" TEXT
);
CREATE TABLE IF NOT EXISTS "dns" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "hostname" TEXT,
    "ip" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "errors" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "ip" TEXT,
    "tag" TEXT,
    "code" INTEGER,
    "extended" TEXT,
    "description" TEXT,
    "cluster" INTEGER,
    "instance" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "paused" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "pool" TEXT,
    "target" TEXT,
    "tag" TEXT,
    "cluster" INTEGER,
    "instance" INTEGER,
    "expire" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "delegates" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "localip" TEXT,
    "domain" TEXT,
    "newip" TEXT,
    "expire" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "suppressions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "value" TEXT,
    "type" TEXT,
    "code" INTEGER,
    "extended" TEXT,
    "description" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE UNIQUE INDEX IF NOT EXISTS "suppressions_value" ON "suppressions" ("value");
CREATE TABLE IF NOT EXISTS "response_patterns" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "tag" TEXT,
    "pattern" TEXT,
    "type" TEXT,
    "priority" INTEGER,
    "final" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "response_actions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "type" TEXT,
    "property" TEXT,
    "value" TEXT
);
CREATE TABLE IF NOT EXISTS "response_patterns_actions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "pattern" INTEGER,
    "action" INTEGER
);
CREATE TABLE IF NOT EXISTS "rewrite_triggers" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "tag" TEXT,
    "priority" INTEGER,
    "final" INTEGER,
    "starts" TEXT,
    "ends" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "rewrite_conditions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "trigger" INTEGER,
    "property" TEXT,
    "type" TEXT,
    "value" TEXT,
    "negate" INTEGER
);
CREATE TABLE IF NOT EXISTS "rewrite_actions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "trigger" INTEGER,
    "type" TEXT,
    "property" TEXT,
    "value" TEXT
);
CREATE TABLE IF NOT EXISTS "tokens" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT,
    "hash" TEXT,
    "created" TEXT,
    "lastused" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "routes" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "domain" TEXT,
    "relay" TEXT,
    "port" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
