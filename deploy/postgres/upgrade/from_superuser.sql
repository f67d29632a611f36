-- For data that was made when `cleanplate` was PostgreSQL's superuser: that one becomes `postgres`, and `cleanplate` a
-- role that owns the schema only. With everything but PostgreSQL stopped:
--   docker compose exec postgres psql -U cleanplate -d cleanplate -f /docker-entrypoint-upgrade.d/from_superuser.sql
\set ON_ERROR_STOP on
-- Nobody can rename who they are.
SELECT 'CREATE ROLE moving_cleanplate LOGIN SUPERUSER'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'moving_cleanplate') \gexec
\connect - moving_cleanplate
\getenv password POSTGRES_PASSWORD
BEGIN;
ALTER ROLE cleanplate RENAME TO postgres;
ALTER ROLE postgres PASSWORD :'password';
\ir ../docker-entrypoint-initdb.d/app_role.sql
-- REASSIGN OWNED cannot: the server itself belongs to its first superuser.
SELECT format('ALTER TABLE %s OWNER TO cleanplate', c.oid::regclass)
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL
SELECT format('ALTER SEQUENCE %s OWNER TO cleanplate', c.oid::regclass)
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S' AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO cleanplate', p.oid::regprocedure)
FROM pg_proc AS p WHERE p.pronamespace = 'public'::regnamespace
UNION ALL
SELECT format('ALTER TYPE %s OWNER TO cleanplate', t.oid::regtype)
FROM pg_type AS t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd') \gexec
COMMIT;
\connect - postgres
DROP ROLE moving_cleanplate;
