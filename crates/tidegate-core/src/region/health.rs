//! What one region knows, put together: probes, reports of peers, breakers and roles.
//!
//! [`Health`] is one machine for one node. It does no I/O and reads no clock: the shell tells it what
//! happened with `handle_*`, each with the time, and asks for the [`View`](super::View) of a shard.
//!
//! # How a shell drives it
//!
//! - Each second it sends a real event the real way: accept, log, read back. Whether that came to its
//!   end within the second goes to [`Health::handle_probe`] for the own region. Whether, in the same
//!   second, a new such event of a peer was read in our mirror of its log goes there for that peer.
//!   Neither asks how our subscribers or external systems are.
//! - Each second it takes [`Health::report`] and sends it to all peers; what comes from them goes to
//!   [`Health::handle_report`].
//! - When a breaker changes or an endpoint was asked for its role: [`Health::handle_path`]; again at
//!   least every [`Settings::role_expiry`], since a role that nobody has confirmed is not believed.
//! - When the lease machine says so: [`Health::handle_lease`]. When a record of a shard or the word
//!   of an operator changes: [`ShardFacts`].
//!
//! # What it promises
//!
//! - What was never heard, or too long ago, counts as not up and not reachable.
//! - A verdict of peers only takes a region out of the candidates of others: a region's own entry in
//!   `up` and `lease_ok` comes from its own probe and its own session alone, and who owns a shard from
//!   the lease store alone.
//! - Verdicts do not flap: [`Settings::misses`] to go down, [`Settings::passes`] to come back.
//! - A shard goes back by itself at most once in [`Settings::stable_for`], and to a region only that
//!   has been well for as long without a gap. After a command of an operator the region must have
//!   been well since the command instead.
//! - A region that gave a shard up is believed to be able to act for it only by a report that came
//!   afterwards, so that two regions which know old things of each other do not throw a shard to and
//!   fro.

mod blame;
mod facts;
mod hysteresis;
mod machine;
mod paths;
mod report;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

pub use blame::Blame;
pub use facts::ShardFacts;
pub use hysteresis::Hysteresis;
pub use machine::{Health, RefusedReport};
pub use paths::{Path, SYSTEMS_MAX, SystemId};
pub use report::{PathReport, Report};

use std::time::Duration;

/// How health is judged. All regions should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// How often each region is probed and reports. A probe that has not come to its end by then is a
    /// miss.
    pub every: Duration,
    /// Misses in a row after which a region is down.
    pub misses: u32,
    /// Passes in a row after which it is up again.
    pub passes: u32,
    /// For how long a report is believed.
    pub report_expiry: Duration,
    /// For how long it is believed what an endpoint said of its role.
    pub role_expiry: Duration,
    /// How long a region must have been well before a shard goes back to it.
    pub stable_for: Duration,
}

impl Default for Settings {
    /// A probe and a report each second; 3 misses, 10 passes; a report holds for 4 s, so that two
    /// may be lost; a role for 15 s; stable after 10 minutes.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            misses: 3,
            passes: 10,
            report_expiry: Duration::from_secs(4),
            role_expiry: Duration::from_secs(15),
            stable_for: Duration::from_secs(600),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
