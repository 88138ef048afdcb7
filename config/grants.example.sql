-- What each stage may do in the database `retail`, and nothing else; one account for each.
-- validate, transform-customer and transform-sales do not touch the database.
--
-- As an administrator, once for each account:
--   CREATE USER 'nightly_marts_download'@'%' IDENTIFIED BY '…';
-- For the pipeline in one process, one account gets what is granted to download, upload, move and cleanup; replay, which
-- somebody runs by hand, has an account of its own.

-- migration: the first download makes the tables, and can be granted rights on tables only when these are there. So run
-- "deno task download" once with this account while nothing is delivered yet, then drop the account, and go on below.
-- The same after an update that brings new tables or columns; only that needs ALTER.
GRANT ALTER, CREATE, SELECT, INSERT, UPDATE ON `retail`.* TO 'nightly_marts_migration'@'%';

-- download: reads the dimensions; takes the lease and begins the run; looks up what is known and what is unfinished.
GRANT SELECT ON `retail`.`customer` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`store` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`product` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`sales_team` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`pipeline_schema` TO 'nightly_marts_download'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_lease` TO 'nightly_marts_download'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`pipeline_run` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`source_file` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`pending_move` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`replayed_file` TO 'nightly_marts_download'@'%';
-- Only to see that the tables are there; no row of them is read.
GRANT SELECT ON `retail`.`customers_data_mart` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`sales_team_data_mart` TO 'nightly_marts_download'@'%';
GRANT SELECT ON `retail`.`replayed_row` TO 'nightly_marts_download'@'%';

-- upload: the commit.
-- Staging tables of its own connection, which nobody else sees; MySQL knows this right for whole databases only.
GRANT CREATE TEMPORARY TABLES ON `retail`.* TO 'nightly_marts_upload'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_schema` TO 'nightly_marts_upload'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_lease` TO 'nightly_marts_upload'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_run` TO 'nightly_marts_upload'@'%';
GRANT INSERT ON `retail`.`source_file` TO 'nightly_marts_upload'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`pending_move` TO 'nightly_marts_upload'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`customers_data_mart` TO 'nightly_marts_upload'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`sales_team_data_mart` TO 'nightly_marts_upload'@'%';

-- move: settles pending moves.
GRANT SELECT, UPDATE ON `retail`.`pipeline_lease` TO 'nightly_marts_move'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_run` TO 'nightly_marts_move'@'%';
GRANT SELECT, UPDATE ON `retail`.`pending_move` TO 'nightly_marts_move'@'%';

-- cleanup: gives the lease back.
GRANT SELECT, UPDATE ON `retail`.`pipeline_lease` TO 'nightly_marts_cleanup'@'%';
GRANT SELECT ON `retail`.`pipeline_run` TO 'nightly_marts_cleanup'@'%';
GRANT SELECT ON `retail`.`pending_move` TO 'nightly_marts_cleanup'@'%';

-- replay: a run of its own, with its commit; reads the ledger, and notes what it puts back.
GRANT CREATE TEMPORARY TABLES ON `retail`.* TO 'nightly_marts_replay'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_schema` TO 'nightly_marts_replay'@'%';
GRANT SELECT, UPDATE ON `retail`.`pipeline_lease` TO 'nightly_marts_replay'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`pipeline_run` TO 'nightly_marts_replay'@'%';
GRANT SELECT ON `retail`.`source_file` TO 'nightly_marts_replay'@'%';
GRANT SELECT, INSERT, UPDATE ON `retail`.`pending_move` TO 'nightly_marts_replay'@'%';
GRANT SELECT, INSERT ON `retail`.`replayed_file` TO 'nightly_marts_replay'@'%';
GRANT SELECT, INSERT ON `retail`.`replayed_row` TO 'nightly_marts_replay'@'%';
