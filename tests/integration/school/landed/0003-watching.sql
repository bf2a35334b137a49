CREATE TABLE "lesson" ("id" text primary key, "title" text not null, "channel" text not null unique, "state" text not null, "created_at_ms" integer not null unique, "settings_version" integer default 0 not null, "publish_version" integer default 0 not null, "access_epoch" integer default 0 not null, "access" text);
CREATE TABLE "recording" ("id" text primary key, "lesson" text not null references "lesson" ("id") on delete cascade, "channel" text not null, "state" text not null, "started_at_ms" integer not null, "ended_at_ms" integer, "duration_ms" integer not null, "bytes" integer not null, "erased_at_ms" integer);
CREATE INDEX "recording_of_lesson" on "recording" ("lesson", "started_at_ms");
CREATE TABLE "attendance" ("id" integer primary key, "lesson" text not null references "lesson" ("id") on delete cascade, "peer" text not null, "name" text not null, "role" text not null, "joined_at_ms" integer not null, "left_at_ms" integer);
CREATE INDEX "attendance_of_lesson" on "attendance" ("lesson", "joined_at_ms");
CREATE UNIQUE INDEX "attendance_present" on "attendance" ("lesson", "peer") where "left_at_ms" is null;
CREATE TABLE "chat" ("lesson" text not null references "lesson" ("id") on delete cascade, "message" text not null, "peer" text not null, "name" text not null, "role" text not null, "text" text not null, "sent_at_ms" integer not null, constraint "chat_key" primary key ("lesson", "message"));
CREATE INDEX "chat_in_time" on "chat" ("lesson", "sent_at_ms");
CREATE TABLE "outbox" ("name" text primary key, "last_id" integer not null);
CREATE TABLE "errand" ("id" integer primary key, "body" text not null);
CREATE TABLE "setting" ("name" text primary key, "version" integer not null, "body" text not null);
CREATE TABLE "watching" ("lesson" text primary key references "lesson" ("id") on delete cascade, "watermark" text, "interrupted" integer not null);

INSERT INTO lesson (id, title, channel, state, created_at_ms, settings_version, publish_version, access_epoch, access) VALUES ('lesson000001', '光合作用：ＰＨＯＴＯ', 'channel00001', 'live', 1795908588449, 1795908588456, 2, 3, '{"tokens":{"required":false},"referer":null,"ip":null,"region":null,"callback":null}');
INSERT INTO lesson (id, title, channel, state, created_at_ms, settings_version, publish_version, access_epoch, access) VALUES ('lesson000002', 'L''ÉTÉ — 100 %', 'channel00002', 'ended', 1795908588450, 1795908588450, 0, 0, NULL);
INSERT INTO recording (id, lesson, channel, state, started_at_ms, ended_at_ms, duration_ms, bytes, erased_at_ms) VALUES ('recording001', 'lesson000002', 'channel00002', 'ready', 1795908588459, 1795913988459, 5400000, 5000000000, NULL);
INSERT INTO recording (id, lesson, channel, state, started_at_ms, ended_at_ms, duration_ms, bytes, erased_at_ms) VALUES ('recording002', 'lesson000002', 'channel00002', 'failed', 1795908588469, 1795908588479, 0, 0, 1795908588489);
INSERT INTO recording (id, lesson, channel, state, started_at_ms, ended_at_ms, duration_ms, bytes, erased_at_ms) VALUES ('recording003', 'lesson000001', 'channel00001', 'writing', 1795908588499, NULL, 8000, 1600000, NULL);
INSERT INTO attendance (lesson, peer, name, role, joined_at_ms, left_at_ms) VALUES ('lesson000001', 'peer00000001', 'Anna', 'teacher', 1795908588454, NULL);
INSERT INTO attendance (lesson, peer, name, role, joined_at_ms, left_at_ms) VALUES ('lesson000002', 'peer00000002', '小明', 'student', 1795908588455, 1795908589349);
INSERT INTO chat (lesson, message, peer, name, role, text, sent_at_ms) VALUES ('lesson000002', 'message00001', 'peer00000002', '小明', 'student', 'It''s green
and blue; 绿色', 1795908588509);
INSERT INTO watching (lesson, watermark, interrupted) VALUES ('lesson000001', '{viewer}', 1);
INSERT INTO outbox (name, last_id) VALUES ('sfu-1', 41);
INSERT INTO errand (body) VALUES ('{"type":"erase-recording","recording":"recording002"}');
INSERT INTO setting (name, version, body) VALUES ('access', 1795908588451, '{"tokens":{"required":true},"referer":{"mode":"off","hosts":[],"allowEmpty":true},"ip":{"allow":["192.0.2.0/24"],"deny":[]},"region":{"mode":"off","countries":[],"allowUnknown":false},"callback":{"url":null,"timeoutMs":2000,"cacheMs":5000}}');
INSERT INTO setting (name, version, body) VALUES ('gateway-instance', 0, 'gateway-1');

CREATE TABLE "kysely_migration" ("name" varchar(255) not null primary key, "timestamp" varchar(255) not null);
INSERT INTO kysely_migration VALUES ('0001-lessons', '2026-11-21T08:00:00.000Z');
INSERT INTO kysely_migration VALUES ('0002-access', '2026-11-22T08:00:00.000Z');
INSERT INTO kysely_migration VALUES ('0003-watching', '2026-11-23T08:00:00.000Z');
