/** Keys that other tools, and other versions of this one, have and this source has not: what to write in their place. */

const BOUNDED =
  "Remove it: batches close as soon as nothing more waits, and what is under way is bounded by bytes";
const POSITIONS = "Remove it: positions are kept in settings.state_dir";
const NO_WATERMARKS =
  "Remove it: snapshots by signal write nothing into the database, so they need no watermarks";

/** By the path of the key. */
export const foreignKeys: Readonly<Record<string, string>> = {
  slot_drop_on_stop: "It is called drop_slot_on_stop",
  plugin: "Remove it: pgoutput is read, which every server has",
  proto_version:
    "Remove it: newer versions send transactions before they commit, which could not be taken back",
  streaming:
    "Remove it: the server keeps a large transaction until it commits (logical_decoding_work_mem), and it then passes " +
    "through in batches",
  lsn_flush_mode: "Remove it: the server is told what the sinks have made durable, and never more",
  xmin_fetch_interval_ms: "Remove it: slot_retained_bytes and the other metrics say what the server keeps",
  read_only: "Remove it: snapshots by signal write nothing into the database",
  signal_table: "Write it as data_collection under signal",
  tombstones: "It is called tombstone",
  operations: "Write those that you do not want as skipped_operations",
  include_tables: "It is called tables",
  table_filter: "Write a /regular expression/ in tables",
  schema_filter: "Write a /regular expression/ in schemas",
  offset_storage: POSITIONS,
  offset_topic: POSITIONS,
  batch_size: "Write it as batch_size under snapshot; what a sink takes at once is batch of the sink",
  batch_timeout: BOUNDED,
  max_queue_size: BOUNDED,
  max_batch_size: BOUNDED,
  workers: BOUNDED,
  parallel: BOUNDED,
  backpressure: BOUNDED,
  retry:
    "Remove it: what can be tried again is, with growing pauses; slot_max_retries is about a slot in use",
  guardrails:
    "Remove it: the rights of the worker are in the plan, and what the server keeps is limited by max_wal_lag",
  partitioner: "Write it in the sink: its key says which record goes where",
  compaction: "Write tombstone here, and the topic's settings in the sink",
  notifications: "Remove it: what happens is in the log and the metrics",
  replica_identity: "Write it as replica_identity_autoset",
  "signal.topic": "Write file, source or message as enabled_channels: signals come through these",
  outbox: "Write the transform outbox_router",
  event_router: "Write the transform content_router",
  "snapshot.max_retries": "Remove it: a snapshot that failed goes on where it was",
  "snapshot.progress_dir": "Remove it: the progress is part of the position in settings.state_dir",
  "incremental_snapshot.enabled": "Write it as enabled under signal",
  "incremental_snapshot.watermark_strategy": NO_WATERMARKS,
  "incremental_snapshot.watermark_signal_table": NO_WATERMARKS,
  "incremental_snapshot.max_concurrent_chunks":
    "Remove it: one piece is read at a time, so that others are not held up",
};
