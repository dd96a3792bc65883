-- +goose Up
CREATE TABLE IF NOT EXISTS "locals" (
    "id" BIGSERIAL PRIMARY KEY,
    "address" TEXT,
    "type" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "mtanames" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "name" TEXT
);
CREATE TABLE IF NOT EXISTS "mtalabels" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "label" TEXT
);
CREATE TABLE IF NOT EXISTS "ips" (
    "id" BIGSERIAL PRIMARY KEY,
    "ip" TEXT,
    "hostname" TEXT
);
CREATE TABLE IF NOT EXISTS "blocklist" (
    "id" BIGSERIAL PRIMARY KEY,
    "value" TEXT,
    "code" BIGINT,
    "description" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "capacity" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "priority" BIGINT,
    "maxmessages" BIGINT,
    "maxbytes" BIGINT,
    "maxconnects" BIGINT,
    "maxconnections" BIGINT,
    "maxstarting" BIGINT,
    "maxidle" BIGINT,
    "ip_maxmessages" BIGINT,
    "ip_maxbytes" BIGINT,
    "ip_maxconnects" BIGINT,
    "ip_maxconnections" BIGINT,
    "ip_maxstarting" BIGINT,
    "ip_maxidle" BIGINT,
    "connection_maxmessages" BIGINT,
    "connection_maxbytes" BIGINT,
    "connection_minmessages" BIGINT,
    "connection_idle" BIGINT,
    "connection_offline" BIGINT,
    "connection_spread" BIGINT,
    "security" BIGINT,
    "maxqueue" BIGINT,
    "retryshare" BIGINT,
    "greylist_delay" BIGINT,
    "greylist_sameip" BIGINT,
    "bind_retry" BIGINT,
    "lost_offline" BIGINT,
    "invalid_offline" BIGINT,
    "timeout_connect" BIGINT,
    "timeout_intro" BIGINT,
    "timeout_command" BIGINT,
    "timeout_data" BIGINT,
    "timeout_message" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "capacity_rules" (
    "id" BIGSERIAL PRIMARY KEY,
    "capacity" BIGINT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "flood_responses" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "pattern" TEXT,
    "type" TEXT,
    "localip" TEXT,
    "domain" TEXT,
    "pause" BIGINT,
    "duration" BIGINT,
    "maxmessages" BIGINT,
    "maxbytes" BIGINT,
    "maxconnects" BIGINT,
    "maxconnections" BIGINT,
    "maxstarting" BIGINT,
    "maxidle" BIGINT,
    "ip_maxmessages" BIGINT,
    "ip_maxbytes" BIGINT,
    "ip_maxconnects" BIGINT,
    "ip_maxconnections" BIGINT,
    "ip_maxstarting" BIGINT,
    "ip_maxidle" BIGINT,
    "connection_maxmessages" BIGINT,
    "connection_maxbytes" BIGINT,
    "connection_minmessages" BIGINT,
    "connection_idle" BIGINT,
    "connection_offline" BIGINT,
    "connection_spread" BIGINT,
    "security" BIGINT,
    "maxqueue" BIGINT,
    "retryshare" BIGINT,
    "greylist_delay" BIGINT,
    "greylist_sameip" BIGINT,
    "bind_retry" BIGINT,
    "lost_offline" BIGINT,
    "invalid_offline" BIGINT,
    "timeout_connect" BIGINT,
    "timeout_intro" BIGINT,
    "timeout_command" BIGINT,
    "timeout_data" BIGINT,
    "timeout_message" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedules" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedule_steps" (
    "id" BIGSERIAL PRIMARY KEY,
    "schedule" BIGINT,
    "day" BIGINT,
    "capacity" BIGINT
);
CREATE TABLE IF NOT EXISTS "schedule_rules" (
    "id" BIGSERIAL PRIMARY KEY,
    "schedule" BIGINT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "schedule_days" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "site" TEXT,
    "day" BIGINT,
    "lastsent" TEXT
);
CREATE TABLE IF NOT EXISTS "pools" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "description" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "poolips" (
    "id" BIGSERIAL PRIMARY KEY,
    "pool" TEXT,
    "ip" TEXT
);
CREATE TABLE IF NOT EXISTS "externalmtas" (
    "id" BIGSERIAL PRIMARY KEY,
    "public_ip" TEXT,
    "local_ip" TEXT,
    "connect_ip" TEXT,
    "connect_port" BIGINT,
    "protocol" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "dkim_keys" (
    "id" BIGSERIAL PRIMARY KEY,
    "domain" TEXT,
    "selector" TEXT,
    "privatekey" TEXT,
    "expire" TEXT,
    "headers" TEXT,
    "priority" BIGINT,
    "protocols" TEXT,
    "canonicalization" TEXT,
    "report" BIGINT,
    "checkdns" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "dkim_patterns" (
    "id" BIGSERIAL PRIMARY KEY,
    "dkim_key" BIGINT,
    "type" TEXT,
    "sign" TEXT
);
CREATE TABLE IF NOT EXISTS "dns" (
    "id" BIGSERIAL PRIMARY KEY,
    "hostname" TEXT,
    "ip" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "errors" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "ip" TEXT,
    "tag" TEXT,
    "code" BIGINT,
    "extended" TEXT,
    "description" TEXT,
    "cluster" BIGINT,
    "instance" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "paused" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "pool" TEXT,
    "target" TEXT,
    "tag" TEXT,
    "cluster" BIGINT,
    "instance" BIGINT,
    "expire" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "delegates" (
    "id" BIGSERIAL PRIMARY KEY,
    "localip" TEXT,
    "domain" TEXT,
    "newip" TEXT,
    "expire" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "suppressions" (
    "id" BIGSERIAL PRIMARY KEY,
    "value" TEXT,
    "type" TEXT,
    "code" BIGINT,
    "extended" TEXT,
    "description" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE UNIQUE INDEX IF NOT EXISTS "suppressions_value" ON "suppressions" ("value");
CREATE TABLE IF NOT EXISTS "response_patterns" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "tag" TEXT,
    "pattern" TEXT,
    "type" TEXT,
    "priority" BIGINT,
    "final" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "response_actions" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "type" TEXT,
    "property" TEXT,
    "value" TEXT
);
CREATE TABLE IF NOT EXISTS "response_patterns_actions" (
    "id" BIGSERIAL PRIMARY KEY,
    "pattern" BIGINT,
    "action" BIGINT
);
CREATE TABLE IF NOT EXISTS "rewrite_triggers" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "localip" TEXT,
    "pool" TEXT,
    "domain" TEXT,
    "tag" TEXT,
    "priority" BIGINT,
    "final" BIGINT,
    "starts" TEXT,
    "ends" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "rewrite_conditions" (
    "id" BIGSERIAL PRIMARY KEY,
    "trigger" BIGINT,
    "property" TEXT,
    "type" TEXT,
    "value" TEXT,
    "negate" BIGINT
);
CREATE TABLE IF NOT EXISTS "rewrite_actions" (
    "id" BIGSERIAL PRIMARY KEY,
    "trigger" BIGINT,
    "type" TEXT,
    "property" TEXT,
    "value" TEXT
);
CREATE TABLE IF NOT EXISTS "tokens" (
    "id" BIGSERIAL PRIMARY KEY,
    "name" TEXT,
    "hash" TEXT,
    "created" TEXT,
    "lastused" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "routes" (
    "id" BIGSERIAL PRIMARY KEY,
    "domain" TEXT,
    "relay" TEXT,
    "port" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
