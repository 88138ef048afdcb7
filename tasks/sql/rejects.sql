-- Rejected rows as analysts get them. Grain: one row per rejected row of a source file; file_id names its CSV.
-- Input: rejects(file_id, line, reason, column, detail, raw).
-- An apostrophe before what a spreadsheet would take for a formula keeps it from running it; replay takes it off.
SELECT
  file_id,
  line,
  reason,
  "column",
  detail,
  CASE
    WHEN substring(raw, 1, 1) IN ('=', '+', '-', '@', chr(9), chr(13), '''') THEN '''' || raw
    ELSE raw
  END AS raw
FROM rejects
ORDER BY file_id, line
