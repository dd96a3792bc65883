-- +goose Up
ALTER TABLE "suppressions" ADD COLUMN "expire" TEXT;
CREATE TABLE IF NOT EXISTS "feedback_rules" (
    "id" BIGSERIAL PRIMARY KEY,
    "kind" TEXT,
    "tag" TEXT,
    "threshold" BIGINT,
    "days" BIGINT,
    "expire" BIGINT,
    "hashed" BIGINT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "feedback_senders" (
    "id" BIGSERIAL PRIMARY KEY,
    "domain" TEXT,
    "description" TEXT,
    "enabled" BIGINT DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "returnpath_keys" (
    "id" BIGSERIAL PRIMARY KEY,
    "created" TEXT,
    "secret" TEXT
);
