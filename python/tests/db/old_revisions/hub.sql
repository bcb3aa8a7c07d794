BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('f460b0348206');
CREATE TABLE api_tokens (
	user_id INTEGER,
	service_id INTEGER,
	id INTEGER NOT NULL,
	hashed VARCHAR(255),
	prefix VARCHAR(16),
	client_id VARCHAR(255),
	session_id VARCHAR(255),
	created DATETIME,
	expires_at DATETIME,
	last_activity DATETIME,
	note VARCHAR(1023),
	scopes TEXT,
	CONSTRAINT pk_api_tokens PRIMARY KEY (id),
	CONSTRAINT fk_api_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_api_tokens_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE,
	CONSTRAINT uq_api_tokens_hashed UNIQUE (hashed),
	CONSTRAINT fk_api_tokens_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE
);
CREATE TABLE group_role_map (
	group_id INTEGER NOT NULL,
	role_id INTEGER NOT NULL,
	managed_by_auth BOOLEAN NOT NULL,
	CONSTRAINT pk_group_role_map PRIMARY KEY (group_id, role_id),
	CONSTRAINT fk_group_role_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_group_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE groups (
	id INTEGER NOT NULL,
	name VARCHAR(255),
	properties TEXT,
	CONSTRAINT pk_groups PRIMARY KEY (id),
	CONSTRAINT uq_groups_name UNIQUE (name)
);
CREATE TABLE oauth_clients (
	id INTEGER NOT NULL,
	identifier VARCHAR(255),
	description VARCHAR(1023),
	secret VARCHAR(255),
	redirect_uri VARCHAR(1023),
	allowed_scopes TEXT,
	CONSTRAINT pk_oauth_clients PRIMARY KEY (id),
	CONSTRAINT uq_oauth_clients_identifier UNIQUE (identifier)
);
INSERT INTO "oauth_clients" VALUES(1,'jupyterhub','JupyterHub','','','[]');
CREATE TABLE oauth_codes (
	id INTEGER NOT NULL,
	client_id VARCHAR(255),
	code VARCHAR(36),
	expires_at INTEGER,
	redirect_uri VARCHAR(1023),
	session_id VARCHAR(255),
	user_id INTEGER,
	scopes TEXT, code_challenge VARCHAR(255), code_challenge_method VARCHAR(64),
	CONSTRAINT pk_oauth_codes PRIMARY KEY (id),
	CONSTRAINT fk_oauth_codes_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE,
	CONSTRAINT fk_oauth_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE roles (
	id INTEGER NOT NULL,
	name VARCHAR(255),
	description VARCHAR(1023),
	scopes TEXT,
	managed_by_auth BOOLEAN NOT NULL,
	CONSTRAINT pk_roles PRIMARY KEY (id),
	CONSTRAINT uq_roles_name UNIQUE (name)
);
INSERT INTO "roles" VALUES(1,'user','Standard user privileges','["self"]',0);
INSERT INTO "roles" VALUES(2,'admin','Elevated privileges (can do anything)','["admin-ui", "admin:users", "admin:servers", "admin:services", "tokens", "admin:groups", "list:services", "read:services", "read:hub", "proxy", "shutdown", "access:services", "access:servers", "read:roles", "read:metrics", "shares"]',0);
INSERT INTO "roles" VALUES(3,'server','Post activity only','["users:activity!user", "access:servers!server"]',0);
INSERT INTO "roles" VALUES(4,'token','Token with same permissions as its owner','["inherit"]',0);
CREATE TABLE servers (
	id INTEGER NOT NULL,
	proto VARCHAR(15),
	ip VARCHAR(255),
	port INTEGER,
	base_url VARCHAR(255),
	cookie_name VARCHAR(255),
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
CREATE TABLE service_role_map (
	service_id INTEGER NOT NULL,
	role_id INTEGER NOT NULL,
	managed_by_auth BOOLEAN NOT NULL,
	CONSTRAINT pk_service_role_map PRIMARY KEY (service_id, role_id),
	CONSTRAINT fk_service_role_map_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE,
	CONSTRAINT fk_service_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE services (
	id INTEGER NOT NULL,
	name VARCHAR(255),
	admin BOOLEAN,
	url VARCHAR(2047),
	oauth_client_allowed_scopes TEXT,
	info TEXT,
	display BOOLEAN,
	oauth_no_confirm BOOLEAN,
	command TEXT,
	cwd VARCHAR(4095),
	environment TEXT,
	user VARCHAR(255),
	from_config BOOLEAN,
	_server_id INTEGER,
	pid INTEGER,
	oauth_client_id VARCHAR(255), timeout INTEGER DEFAULT '30' NOT NULL,
	CONSTRAINT pk_services PRIMARY KEY (id),
	CONSTRAINT uq_services_name UNIQUE (name),
	CONSTRAINT fk_services__server_id_servers FOREIGN KEY(_server_id) REFERENCES servers (id) ON DELETE SET NULL,
	CONSTRAINT fk_services_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
CREATE TABLE share_codes (
	hashed VARCHAR(255),
	prefix VARCHAR(16),
	exchange_count INTEGER,
	last_exchanged_at DATETIME,
	id INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	scopes TEXT,
	expires_at DATETIME,
	owner_id INTEGER,
	spawner_id INTEGER,
	CONSTRAINT pk_share_codes PRIMARY KEY (id),
	CONSTRAINT uq_share_codes_hashed UNIQUE (hashed),
	CONSTRAINT fk_share_codes_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_share_codes_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE shares (
	user_id INTEGER,
	group_id INTEGER,
	id INTEGER NOT NULL,
	created_at DATETIME NOT NULL,
	scopes TEXT,
	expires_at DATETIME,
	owner_id INTEGER,
	spawner_id INTEGER,
	CONSTRAINT pk_shares PRIMARY KEY (id),
	CONSTRAINT fk_shares_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_shares_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE,
	CONSTRAINT fk_shares_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_shares_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE spawners (
	id INTEGER NOT NULL,
	user_id INTEGER,
	server_id INTEGER,
	state TEXT,
	name VARCHAR(255),
	started DATETIME,
	last_activity DATETIME,
	user_options TEXT,
	oauth_client_id VARCHAR(255), display_name VARCHAR(255),
	CONSTRAINT pk_spawners PRIMARY KEY (id),
	CONSTRAINT fk_spawners_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_spawners_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id) ON DELETE SET NULL,
	CONSTRAINT fk_spawners_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
INSERT INTO "spawners" VALUES(1,1,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(2,2,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(3,3,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(4,4,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(5,5,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(6,6,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(7,7,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "spawners" VALUES(8,8,NULL,NULL,'',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE user_group_map (
	user_id INTEGER NOT NULL,
	group_id INTEGER NOT NULL,
	CONSTRAINT pk_user_group_map PRIMARY KEY (user_id, group_id),
	CONSTRAINT fk_user_group_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_user_group_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE
);
CREATE TABLE user_role_map (
	user_id INTEGER NOT NULL,
	role_id INTEGER NOT NULL,
	managed_by_auth BOOLEAN NOT NULL,
	CONSTRAINT pk_user_role_map PRIMARY KEY (user_id, role_id),
	CONSTRAINT fk_user_role_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
	CONSTRAINT fk_user_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO "user_role_map" VALUES(1,2,0);
INSERT INTO "user_role_map" VALUES(1,1,0);
INSERT INTO "user_role_map" VALUES(2,1,0);
INSERT INTO "user_role_map" VALUES(3,1,0);
INSERT INTO "user_role_map" VALUES(4,1,0);
INSERT INTO "user_role_map" VALUES(5,1,0);
INSERT INTO "user_role_map" VALUES(6,1,0);
INSERT INTO "user_role_map" VALUES(7,1,0);
INSERT INTO "user_role_map" VALUES(8,1,0);
CREATE TABLE users (
	id INTEGER NOT NULL,
	name VARCHAR(255),
	admin BOOLEAN,
	created DATETIME,
	last_activity DATETIME,
	cookie_id VARCHAR(255) NOT NULL,
	state TEXT,
	encrypted_auth_state BLOB, user_info TEXT,
	CONSTRAINT pk_users PRIMARY KEY (id),
	CONSTRAINT uq_users_name UNIQUE (name),
	CONSTRAINT uq_users_cookie_id UNIQUE (cookie_id)
);
INSERT INTO "users" VALUES(1,'teacher',1,'2026-11-25 20:55:15.769381','2026-11-25 20:55:19.367195','3f153677fef045bf9e9d2af4bc7e5c18',NULL,NULL,NULL);
INSERT INTO "users" VALUES(2,'ada',0,'2026-11-25 20:55:19.688412','2026-11-25 20:55:19.703756','b25e1d436e7c4241b1b1ea82aea18259',NULL,NULL,NULL);
INSERT INTO "users" VALUES(3,'müller',0,'2026-11-25 20:55:20.011546','2026-11-25 20:55:20.027822','02557ad2e0fd4b9d8032dcb0ff88da57',NULL,NULL,NULL);
INSERT INTO "users" VALUES(4,'anna@example.org',0,'2026-11-25 20:55:20.329565','2026-11-25 20:55:20.346269','e0321c198e1d498c9f6de84b9e235a47',NULL,NULL,NULL);
INSERT INTO "users" VALUES(5,'_under-score.',0,'2026-11-25 20:55:20.653674','2026-11-25 20:55:20.673168','7cad437fe8fa42dc9f58600b3c2b25fe',NULL,NULL,NULL);
INSERT INTO "users" VALUES(6,'a-name-of-more-than-thirty-two-letters',0,'2026-11-25 20:55:21.038525','2026-11-25 20:55:21.063125','3b9348e32a844e84a42ed4764daf82e0',NULL,NULL,NULL);
INSERT INTO "users" VALUES(7,'grace',0,'2026-11-25 20:55:21.404945','2026-11-25 20:55:21.420574','32107dd896704bf683dc49e7638f6158',NULL,NULL,NULL);
INSERT INTO "users" VALUES(8,'short',0,'2026-11-25 20:55:21.728012','2026-11-25 20:55:21.750451','a3f4afde74c3488e824f90f577d0332a',NULL,NULL,NULL);
CREATE TABLE users_info (
	id INTEGER NOT NULL,
	username VARCHAR(128) NOT NULL,
	password BLOB NOT NULL,
	is_authorized BOOLEAN,
	login_email_sent BOOLEAN,
	email VARCHAR(128),
	has_2fa BOOLEAN,
	otp_secret VARCHAR(16),
	CONSTRAINT pk_users_info PRIMARY KEY (id)
);
INSERT INTO "users_info" VALUES(1,'teacher',X'243262243132246C72707766612E4B4E64415241476738546563696165764F41483038623948674F79336E6B537A346679312F6B385733304C442F32',1,0,NULL,0,'2AT4Y66NZA3M2HMS');
INSERT INTO "users_info" VALUES(2,'ada',X'243262243132244F493954336E792E4355555362442E38484F7876734F5653415347694F594C58457A3273672E42553247514F704D69376777377475',1,0,NULL,0,'KRSDR6IUOQQWZHFA');
INSERT INTO "users_info" VALUES(3,'müller',X'24326224313224794B3761673274364374623875514F32753838563765704E53506B534E42795A6B2E334233657248626F5247616D68473172694F71',1,0,NULL,0,'LTCKDTWXJKXWBUIT');
INSERT INTO "users_info" VALUES(4,'anna@example.org',X'243262243132245052726D666E6F5A453141306D53472E746577496C75797532786572586369366744354D4177656468616A6D416B524F4E50727443',1,0,NULL,0,'V73XK5XGW7LGSK4U');
INSERT INTO "users_info" VALUES(5,'_under-score.',X'24326224313224674D7573326B59323431396361337357423357792E2E56544F2F6C7178524C727355366C577A4F416D3252653341676B514631626D',1,0,NULL,0,'KRVQPKFQTKBHU23C');
INSERT INTO "users_info" VALUES(6,'a-name-of-more-than-thirty-two-letters',X'2432622431322456327232333344374738504E7A52413167657A614665393467412E49693657782E6732434C4945357757585A5758377A5138464765',1,0,NULL,0,'Q2A5PZH5YBPYFSGF');
INSERT INTO "users_info" VALUES(7,'grace',X'243262243132244761414C5845702E467A703739653764596E2E4C42756F52526643534F7561366930586635376A63756F2E6165716253746C377269',1,0,NULL,0,'RHTEALYFXJYYL3UW');
INSERT INTO "users_info" VALUES(8,'short',X'2432622431322444754B7369335062734C58456E6456734F655231646552346D506E704F544F772F516B50666751745439624A4E656B64534E326632',1,0,NULL,0,'6QDM666BLZQ665MK');
INSERT INTO "users_info" VALUES(9,'eve',X'243262243132244334556655643130314D675548354B61765A4C456F65573044574742556B7737366F464839784E525235674235377A2E5756704232',0,0,NULL,0,'A2WGB5S2DNNKL5GG');
CREATE INDEX ix_share_codes_prefix ON share_codes (prefix);
CREATE INDEX ix_api_tokens_prefix ON api_tokens (prefix);
COMMIT;
