-- +goose Up
ALTER TABLE "suppressions" ADD COLUMN "expire" TEXT;
CREATE TABLE IF NOT EXISTS "feedback_rules" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT,
    "tag" TEXT,
    "threshold" INTEGER,
    "days" INTEGER,
    "expire" INTEGER,
    "hashed" INTEGER,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "feedback_senders" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "domain" TEXT,
    "description" TEXT,
    "enabled" INTEGER DEFAULT 1
);
CREATE TABLE IF NOT EXISTS "returnpath_keys" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "created" TEXT,
    "secret" TEXT
);
