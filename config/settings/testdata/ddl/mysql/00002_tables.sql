-- +goose Up
ALTER TABLE `capacity` ADD COLUMN `comment` TEXT;
