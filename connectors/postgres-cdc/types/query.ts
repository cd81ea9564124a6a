/** What is read from the server's catalog about its types, in one round trip; catalog.ts makes codecs of it. */

/** One row of TYPE_QUERY, every value as text. */
export type TypeRow = Readonly<Record<string, string | null>>;

/**
 * One row per type. Row types of tables are left out unless a column, a domain or a range is made of them, because
 * every table has one. Works from PostgreSQL 10 on; run it with SESSION_SETTINGS in force.
 */
export const TYPE_QUERY = `
WITH used AS (
  SELECT atttypid AS oid FROM pg_catalog.pg_attribute WHERE attnum > 0 AND NOT attisdropped
  UNION SELECT typbasetype FROM pg_catalog.pg_type WHERE typtype = 'd'
  UNION SELECT rngsubtype FROM pg_catalog.pg_range
)
SELECT t.oid::text AS oid,
  n.nspname::text AS namespace,
  t.typname::text AS name,
  -- A domain has the output function of what it is made of, so it is asked for first.
  CASE WHEN t.typtype = 'd' THEN 'domain'
    WHEN t.typoutput = 'pg_catalog.array_out'::regproc THEN 'array'
    WHEN t.typtype = 'e' THEN 'enum'
    WHEN t.typtype = 'c' THEN 'composite'
    WHEN t.typtype = 'r' THEN 'range'
    WHEN t.typtype = 'm' THEN 'multirange'
    ELSE 'base' END AS kind,
  t.typelem::text AS element,
  t.typdelim::text AS delimiter,
  t.typbasetype::text AS base,
  t.typtypmod::text AS base_typmod,
  (t.typmodout <> 0)::text AS formats_typmod,
  pg_catalog.format_type(t.oid, NULL) AS native,
  (SELECT x.extname::text FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::regclass) AS extension,
  (SELECT pg_catalog.json_agg(l.enumlabel ORDER BY l.enumsortorder)::text
    FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid) AS labels,
  CASE WHEN t.typtype = 'c' THEN
    (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, a.atttypid::int8, a.atttypmod, a.attnum)
        ORDER BY a.attnum)::text
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
  END AS attributes,
  CASE t.typtype
    WHEN 'r' THEN (SELECT r.rngsubtype::text FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
    -- Read through JSON, because the column does not exist before PostgreSQL 14.
    WHEN 'm' THEN (SELECT r.rngtypid::text FROM pg_catalog.pg_range r
      WHERE pg_catalog.to_jsonb(r) ->> 'rngmultitypid' = t.oid::text)
  END AS range_of,
  CASE t.oid WHEN 790 THEN 1234567::money::text END AS money_positive,
  CASE t.oid WHEN 790 THEN (-1234567)::money::text END AS money_negative,
  CASE t.oid WHEN 790 THEN pg_catalog.scale(1234567::money::numeric)::text END AS money_scale
FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
  LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
  LEFT JOIN pg_catalog.pg_class ec ON ec.oid = e.typrelid
WHERE (c.oid IS NULL OR c.relkind = 'c' OR t.oid IN (SELECT oid FROM used) OR t.typarray IN (SELECT oid FROM used))
  AND (ec.oid IS NULL OR ec.relkind = 'c' OR t.oid IN (SELECT oid FROM used))`;
