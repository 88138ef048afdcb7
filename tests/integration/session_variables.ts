/**
 * The variables of a session of MySQL 8.0 to 9 and MariaDB 10.6 to 11 that a connection of the program does not pin, and
 * why none of them can change what a night comes to.
 *
 * @module
 */
import { BOTH, MARIADB, MYSQL } from "../../lib/database/mysql/session.ts";

/** Pinned by a statement of its own, or with another: a collation sets its character set. */
const PINNED_BESIDES = [
  "timestamp",
  "character_set_connection",
  "tx_isolation",
  "tx_read_only",
  "transaction_isolation",
  "transaction_read_only",
];

/** Whether a connection pins a variable. */
export function isPinned(name: string): boolean {
  return name in { ...BOTH, ...MARIADB, ...MYSQL } || PINNED_BESIDES.includes(name);
}

/** Patterns of names with the reason; a name has one. */
export const UNPINNED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /^(optimizer|histogram|eq_range_|join_cache|mrr_cost|range_opt|max_rowid_|max_seeks_|max_length_for_sort|use_stat_tables|secondary_engine_cost|enable_secondary|in_predicate|expensive_sub|sql_buffer_result|innodb_parallel|mhnsw_|analyze_)/,
    "how a statement is carried out, not what it gives",
  ],
  [
    /(_buffer_size|_buffer_space_limit|_cache_size|_buff_size|_alloc_block_size|_prealloc_size|_heap_table_size|chunk_size|_sync_delay|disk_sync|_ddl_threads|repair_threads)$/,
    "room for work, not what it gives",
  ],
  [
    /^(tmp_|internal_tmp_|big_tables|max_tmp_|max_session_mem|connection_memory_limit|parser_max_mem|global_connection_memory|max_sp_|max_points_|max_user_|max_delayed|max_insert_delayed|thread_pool|cte_max|max_recursive)/,
    "a limit: a statement that meets it fails, and the night ends in 75 or 70 without a change",
  ],
  [/^query_cache_/, "a cache answers as the table would"],
  [
    /^(log_|slow_|long_query|min_examined|general_log|profiling|sql_log_off|sql_warnings|sql_quote_show|note_verbosity|progress_report|end_markers|explain_|print_identified|show_|terminology|information_schema_stats|lc_time|myisam_stats|aria_stats|sql_show)/,
    "what is logged or shown to people",
  ],
  [
    /^(binlog_|gtid_|original_|immediate_server|pseudo_|rbr_|replica|slave|skip_(parallel_)?repl|sql_log_bin|sql_slave|default_master|max_relay|server_id|require_row|transaction_allow_batching|transaction_write_set|group_replication|wsrep_|xa_|deadlock_)/,
    "replication, which only an administrator may change for a session; what it refuses ends the night",
  ],
  [
    /^(default_storage|default_tmp_storage|storage_engine|enforce_storage|external_table|default_table_enc|innodb_(strict|default_enc|compression_default|table_locks|snapshot|tmpdir|ft_)|explicit_defaults|sql_(require|generate)|create_|old_alter|alter_algorithm|column_compression|keep_files|restrict_fk|enable_cascade|system_versioning_(alter|insert)|updatable_views)/,
    "how tables are made or changed: those of the program name engine, row format, character set and key themselves, " +
    "have no TIMESTAMP, foreign key, compression or history, and are compared with what is needed",
  ],
  [
    /^(character_set_(server|database|filesystem|collations)|collation_(server|database)|default_collation_)/,
    "for texts that have no character set of their own: every table and every connection has one",
  ],
  [
    /^(default_week|div_precision|block_encryption|default_regex|windowing_|old$|old_mode|old_pass|new_mode|standard_compliant|column_type|max_sort_length)/,
    "for functions, divisions and orders of long texts that no statement has",
  ],
  [
    /^(rand_seed|insert_id|auto_increment_|last_insert_id|identity|generated_random)/,
    "for single values; ids of rows are compared with nothing, and differ",
  ],
  [
    /^(net_|interactive_timeout|tcp_nodelay|session_track|resultset_metadata|redirect_url|max_allowed_packet|low_priority)/,
    "how an answer travels: one that is cut off ends in 75; what max_allowed_packet is, is asked for",
  ],
];
