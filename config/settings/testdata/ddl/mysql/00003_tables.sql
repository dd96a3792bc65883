-- +goose Up
ALTER TABLE `suppressions` ADD COLUMN `expire` TEXT;
CREATE TABLE IF NOT EXISTS `feedback_rules` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `kind` TEXT,
    `tag` TEXT,
    `threshold` BIGINT,
    `days` BIGINT,
    `expire` BIGINT,
    `hashed` BIGINT,
    `enabled` BIGINT DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS `feedback_senders` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `domain` TEXT,
    `description` TEXT,
    `enabled` BIGINT DEFAULT 1
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE IF NOT EXISTS `returnpath_keys` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created` TEXT,
    `secret` TEXT
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
