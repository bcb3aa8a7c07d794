CREATE TABLE classroom_accounts (
	id INTEGER NOT NULL,
	name VARCHAR(128) NOT NULL,
	full_name VARCHAR(100) NOT NULL,
	created DATETIME NOT NULL,
	must_change BOOLEAN NOT NULL,
	approved_by VARCHAR(128),
	approved_at DATETIME,
	revoked_at DATETIME,
	PRIMARY KEY (id),
	CONSTRAINT uq_classroom_accounts_name UNIQUE (name)
);
INSERT INTO "classroom_accounts" VALUES(1,'ada','Ada Lovelace','2026-09-01 08:00:00.000000',1,'teacher','2026-09-01 09:00:00.000000',NULL);
INSERT INTO "classroom_accounts" VALUES(3,'eve','','2026-09-02 08:00:00.000000',0,NULL,NULL,'2026-09-03 08:00:00.000000');
CREATE TABLE classroom_announcement (
	id INTEGER NOT NULL,
	text VARCHAR(500) NOT NULL,
	made DATETIME NOT NULL,
	made_by VARCHAR(128) NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "classroom_announcement" VALUES(1,'Exam on Friday','2026-09-01 08:00:00.000000','teacher');
CREATE TABLE classroom_codes (
	id INTEGER NOT NULL,
	mark VARCHAR(64) NOT NULL,
	hint VARCHAR(4) NOT NULL,
	group_name VARCHAR(64) NOT NULL,
	made DATETIME NOT NULL,
	made_by VARCHAR(128) NOT NULL,
	expires DATETIME NOT NULL,
	used_at DATETIME,
	used_by VARCHAR(128),
	revoked_at DATETIME,
	PRIMARY KEY (id),
	CONSTRAINT uq_classroom_codes_mark UNIQUE (mark)
);
INSERT INTO "classroom_codes" VALUES(1,'ab12','ABCD','ml','2026-09-01 08:00:00.000000','teacher','2026-12-01 08:00:00.000000',NULL,NULL,NULL);
CREATE TABLE classroom_failed_logins (
	name VARCHAR(128) NOT NULL,
	address VARCHAR(64) NOT NULL,
	count INTEGER NOT NULL,
	expires DATETIME NOT NULL,
	PRIMARY KEY (name, address)
);
INSERT INTO "classroom_failed_logins" VALUES('ada','10.0.0.9',3,'2026-09-04 08:00:00.000000');
CREATE TABLE classroom_gpu_use (
	id INTEGER NOT NULL,
	name VARCHAR(255) NOT NULL,
	day DATE NOT NULL,
	seconds DOUBLE NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT uq_classroom_gpu_use_day UNIQUE (day, name)
);
INSERT INTO "classroom_gpu_use" VALUES(1,'ada','2026-09-06',1800.5);
CREATE TABLE classroom_homes (
	id INTEGER NOT NULL,
	username VARCHAR(255) NOT NULL,
	location VARCHAR(255) NOT NULL,
	created DATETIME NOT NULL,
	archived_at DATETIME,
	PRIMARY KEY (id),
	CONSTRAINT uq_classroom_homes_location UNIQUE (location)
);
INSERT INTO "classroom_homes" VALUES(1,'ada','ada-1','2026-09-01 08:00:00.000000',NULL);
INSERT INTO "classroom_homes" VALUES(2,'gone','gone-2','2026-09-01 08:00:00.000000','2026-09-05 08:00:00.000000');
CREATE TABLE classroom_line (
	id INTEGER NOT NULL,
	name VARCHAR(255) NOT NULL,
	joined DATETIME NOT NULL,
	offered DATETIME,
	PRIMARY KEY (id),
	CONSTRAINT uq_classroom_line_name UNIQUE (name)
);
INSERT INTO "classroom_line" VALUES(4,'ada','2026-09-06 08:00:00.000000','2026-09-06 09:00:00.000000');
CREATE TABLE classroom_reservations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	count INTEGER NOT NULL,
	begins DATETIME NOT NULL,
	ends DATETIME NOT NULL,
	group_name VARCHAR(64) NOT NULL,
	made DATETIME NOT NULL,
	made_by VARCHAR(128) NOT NULL
);
INSERT INTO "classroom_reservations" VALUES(7,2,'2026-09-10 08:00:00.000000','2026-09-10 10:00:00.000000','ml','2026-09-01 08:00:00.000000','teacher');
CREATE TABLE classroom_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT classroom_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "classroom_version" VALUES('0005');
CREATE INDEX ix_classroom_failed_logins_expires ON classroom_failed_logins (expires);
CREATE INDEX ix_classroom_homes_username ON classroom_homes (username);
INSERT INTO "sqlite_sequence" VALUES('classroom_reservations',7);
