//! The books of the node, asked for by its own command, against what the checker counted.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::breach::{Breach, Breaches};
use super::deliveries::FLOW;

/// After a start the log is read for the books; longer than this it does not take.
const READ_WITHIN: Duration = Duration::from_secs(120);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// The exit code if a row is odd.
const ODD: i32 = 7;
/// The exit code if the node cannot tell now.
const FAILED: i32 = 1;

/// What the command says.
#[derive(Debug)]
pub(crate) struct Books {
    /// Whether its exit code says that every row is even.
    even: bool,
    said: Value,
}

/// What the checker counted of the flow that delivers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// Events in the log.
    pub(crate) events: u64,
    /// Those that the flow is for.
    pub(crate) wanted: u64,
}

impl Books {
    /// Asks the node, once it can tell.
    pub(crate) fn of(program: &Path, admin: SocketAddr) -> Result<Self> {
        let deadline = Instant::now() + READ_WITHIN;
        loop {
            let output = Command::new(program)
                .args(["books", "--json", "--by-hour", "--hours", "49", "--admin"])
                .arg(format!("http://{admin}"))
                .output()
                .context("the books cannot be asked for")?;
            match output.status.code() {
                Some(code @ (0 | ODD)) => {
                    let said = serde_json::from_slice(&output.stdout);
                    return Ok(Self {
                        even: code == 0,
                        said: said.context("the books are no JSON")?,
                    });
                }
                Some(FAILED) if Instant::now() < deadline => thread::sleep(PAUSE),
                code => bail!(
                    "the books were not told ({code:?}): {}",
                    String::from_utf8_lossy(&output.stderr)
                ),
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = &Value> {
        self.said["rows"].as_array().into_iter().flatten()
    }

    /// A column of the flow that delivers, over all hours.
    fn sum(&self, column: &str) -> u64 {
        let rows = self.rows().filter(|row| row["flow"] == FLOW);
        rows.filter_map(|row| row[column]["count"].as_u64()).sum()
    }

    /// Events that the flow has not settled.
    pub(crate) fn pending(&self) -> u64 {
        self.sum("pending")
    }

    /// How many rows are even, and how many cannot be judged.
    pub(crate) fn judged(&self) -> (u64, u64) {
        let count = |word: &str| self.rows().filter(|row| row["balance"] == word).count() as u64;
        (count("even"), count("unknown"))
    }

    /// Whether nothing is odd.
    pub(crate) fn demand_even(&self, breaches: &mut Breaches) {
        let odd: Vec<_> = self.rows().filter(|row| row["balance"] == "odd").collect();
        breaches.unless(self.even && odd.is_empty(), Breach::Books, || {
            format!("odd are {odd:?}")
        });
        breaches.unless(self.rows().count() > 0, Breach::Books, || {
            "there are no rows".to_owned()
        });
    }

    /// Whether they say what was counted, once nothing is pending.
    pub(crate) fn demand(&self, counted: Counted, breaches: &mut Breaches) {
        let Counted { events, wanted } = counted;
        for (column, expected) in [
            ("received", events),
            ("delivered", wanted),
            ("filtered", events - wanted),
            ("parked", 0),
            ("faults", 0),
            ("discarded", 0),
            ("pending", 0),
        ] {
            let sum = self.sum(column);
            breaches.unless(sum == expected, Breach::Books, || {
                format!("{sum} {column} instead of {expected}")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn books(
        even: bool,
        balance: &str,
        [received, delivered, filtered, pending]: [u64; 4],
    ) -> Books {
        let row = |flow: &str| {
            json!({
                "flow": flow, "balance": balance,
                "received": {"count": received}, "delivered": {"count": delivered},
                "filtered": {"count": filtered}, "parked": {"count": 0}, "faults": {"count": 0},
                "discarded": {"count": 0}, "pending": {"count": pending},
            })
        };
        Books {
            even,
            said: json!({"rows": [row(FLOW), row("another")]}),
        }
    }

    fn found(books: &Books) -> u64 {
        let mut breaches = Breaches::default();
        books.demand_even(&mut breaches);
        let counted = Counted {
            events: 10,
            wanted: 7,
        };
        books.demand(counted, &mut breaches);
        breaches.count(Breach::Books)
    }

    #[test]
    fn what_is_odd_or_not_as_counted_is_noticed() {
        assert_eq!(found(&books(true, "even", [10, 7, 3, 0])), 0);
        assert_eq!(found(&books(false, "even", [10, 7, 3, 0])), 1, "exit code");
        assert_eq!(found(&books(true, "odd", [10, 7, 3, 0])), 1, "a row");
        assert_eq!(found(&books(true, "even", [10, 6, 3, 1])), 2, "pending");
        assert_eq!(
            found(&books(true, "even", [9, 7, 2, 0])),
            2,
            "one is missing"
        );
        assert_eq!(books(true, "even", [10, 6, 3, 1]).pending(), 1);
        assert_eq!(books(true, "unknown", [1; 4]).judged(), (0, 2));
    }
}
