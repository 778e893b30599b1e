CREATE TABLE appraisal (
    id VARCHAR(64) NOT NULL,
    at DATETIME NOT NULL,
    service VARCHAR(100) NOT NULL,
    client TEXT NOT NULL,
    shadow BOOLEAN NOT NULL,
    guideline VARCHAR(200) NOT NULL,
    verdict VARCHAR(40) NOT NULL,
    category VARCHAR(40),
    floor VARCHAR(40),
    ceiling VARCHAR(40),
    reason VARCHAR(60),
    procedures TEXT NOT NULL,
    established TEXT NOT NULL,
    possible TEXT NOT NULL,
    missing_concepts TEXT NOT NULL,
    keys_missing TEXT NOT NULL,
    keys_incomplete TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX ix_appraisal_at ON appraisal (at);
CREATE TABLE card (
    uuid VARCHAR(256) NOT NULL,
    appraisal VARCHAR(64),
    at DATETIME NOT NULL,
    client TEXT NOT NULL,
    shown BOOLEAN NOT NULL,
    kind VARCHAR(60) NOT NULL,
    indicator VARCHAR(20) NOT NULL,
    PRIMARY KEY (uuid)
);
CREATE INDEX ix_card_appraisal ON card (appraisal);
CREATE INDEX ix_card_at ON card (at);
CREATE TABLE feedback (
    id INTEGER NOT NULL,
    service VARCHAR(100) NOT NULL,
    card VARCHAR(256) NOT NULL,
    outcome VARCHAR(20) NOT NULL,
    outcome_timestamp VARCHAR(64) NOT NULL,
    accepted_suggestions JSON NOT NULL,
    reason_system VARCHAR(500),
    reason_code VARCHAR(200),
    stored_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,
    client TEXT,
    reason_category VARCHAR(200),
    reason_title VARCHAR(200),
    comment TEXT,
    PRIMARY KEY (id),
    UNIQUE (card, outcome, outcome_timestamp)
);
CREATE INDEX ix_feedback_stored_at ON feedback (stored_at);
CREATE TABLE probe (
    id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE suggestion (
    uuid VARCHAR(256) NOT NULL,
    card VARCHAR(256) NOT NULL,
    kind VARCHAR(60) NOT NULL,
    PRIMARY KEY (uuid)
);
CREATE INDEX ix_suggestion_card ON suggestion (card);
CREATE TABLE token_id (
    issuer VARCHAR(64) NOT NULL,
    jti VARCHAR(64) NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX ix_token_id_expires ON token_id (expires);
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('0002');
