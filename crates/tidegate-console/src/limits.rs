//! The bounds of the API, each with its reason.

use std::time::Duration;

/// Entries of a page unless asked otherwise: a screen or two.
pub const PAGE_DEFAULT: usize = 50;

/// Entries of a page at most.
pub const PAGE_MAX: usize = 1000;

/// Bytes of payload in a page; one entry is always given, whatever its size.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// Bytes of the log one request looks through. At the speed of a warm disk a fraction of a second;
/// who needs more goes on from `next`.
pub const SCAN_BYTES_MAX: u64 = 64 << 20;

/// Frames one request looks through: small frames cost more than their bytes tell.
pub const SCAN_FRAMES_MAX: u64 = 50_000;

/// Open faults one request looks through for those that are wanted.
pub const SCAN_FAULTS_MAX: usize = 100_000;

/// The longest time a long poll waits: less than the idle limits of common proxies (60 s).
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// Long polls and event streams at a time; each keeps a connection.
pub const WAITERS_MAX: usize = 64;

/// Questions to the disk at a time; more wait for their turn. Few, since the gateway needs the disk more.
pub const QUESTIONS_MAX: usize = 4;

/// The longest text filter, flow name or the like in a query, in bytes.
pub const FILTER_BYTES_MAX: usize = 1024;

/// The longest name or reason of an operator, in bytes; it stands in the log.
pub const SPOKEN_BYTES_MAX: usize = 500;

/// Silence in an event stream before a comment keeps proxies from closing it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Parts of an event stream that wait for a slow reader.
pub const STREAM_PARTS_MAX: usize = 16;

/// How often a question looks whether the views have caught up.
pub const SETTLE_STEP: Duration = Duration::from_millis(5);

/// How many times at most: a second in all.
pub const SETTLE_LOOKS: usize = 200;
