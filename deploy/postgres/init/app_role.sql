-- The role that Cleanplate connects with: it owns the schema of its database, and may nothing else on the server.
-- PostgreSQL's container runs this once, in the database `cleanplate`, when it makes its data.
\getenv password DATABASE_PASSWORD
CREATE ROLE cleanplate LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
REVOKE ALL ON DATABASE cleanplate, postgres, template1 FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE cleanplate TO cleanplate;
ALTER SCHEMA public OWNER TO cleanplate;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
