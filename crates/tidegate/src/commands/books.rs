//! `books`: what became of the events of each flow and hour, and whether that is all of them.

use std::collections::BTreeMap;

use tidegate_console::view::{BookRow, BooksView};
use tidegate_hub::clock::now;

use crate::cli::BooksArgs;
use crate::client::{Node, query};
use crate::exit::{Exit, Outcome};
use crate::output::{Out, Tone};
use crate::table::Table;
use crate::when::short;

/// Prints the books; the exit code says whether they balance.
pub(crate) async fn books(node: &Node, args: &BooksArgs, out: &Out) -> Outcome<Exit> {
    let parameters = [
        ("flow", args.flow.clone()),
        ("hours", Some(args.hours.to_string())),
    ];
    let books: BooksView = node.get(&query("/api/v1/books", &parameters)).await?;
    let exit = if books.balanced {
        Exit::Success
    } else {
        Exit::Unbalanced
    };
    if out.is_json() {
        out.document(&books)?;
        return Ok(exit);
    }
    let today = now().to_string();
    let mut table = Table::new(&[
        "FLOW",
        "",
        "HOUR",
        "RECEIVED",
        "DELIVERED",
        "FILTERED",
        "PARKED",
        "FAULTS",
        "DISCARDED",
        "PENDING",
        "BALANCE",
    ]);
    let rows = if args.by_hour {
        books.rows.clone()
    } else {
        sums(&books.rows)
    };
    for row in &rows {
        let hour = if args.by_hour {
            short(&row.hour, &today)
        } else {
            format!("since {}", short(&row.hour, &today))
        };
        table.row([
            row.flow.clone(),
            row.direction.clone(),
            hour,
            row.received.count.to_string(),
            row.delivered.count.to_string(),
            row.filtered.count.to_string(),
            row.parked.count.to_string(),
            row.faults.count.to_string(),
            row.discarded.count.to_string(),
            row.pending.count.to_string(),
            balance(row, out),
        ]);
    }
    table.print(out, "nothing has come in these hours")?;
    if !books.balanced {
        out.remark("what does not balance is a defect of this program or of its disk: keep the data directory, and look at `tidegate books --by-hour --json`");
    }
    Ok(exit)
}

fn balance(row: &BookRow, out: &Out) -> String {
    match row.balance.as_str() {
        "even" => out.paint(Tone::Good, "even"),
        "odd" if row.missing == 0 => out.paint(Tone::Bad, "odd: other events than were received"),
        "odd" => out.paint(Tone::Bad, &format!("odd: {} missing", row.missing)),
        other => out.paint(Tone::Warn, other),
    }
}

/// One row for each flow, with its oldest hour. The worst hour says how it balances.
fn sums(rows: &[BookRow]) -> Vec<BookRow> {
    let mut sums: BTreeMap<&str, BookRow> = BTreeMap::new();
    for row in rows {
        let Some(sum) = sums.get_mut(row.flow.as_str()) else {
            sums.insert(&row.flow, row.clone());
            continue;
        };
        for (sum, tally) in [
            (&mut sum.received, &row.received),
            (&mut sum.delivered, &row.delivered),
            (&mut sum.filtered, &row.filtered),
            (&mut sum.parked, &row.parked),
            (&mut sum.faults, &row.faults),
            (&mut sum.discarded, &row.discarded),
            (&mut sum.pending, &row.pending),
        ] {
            sum.count = sum.count.saturating_add(tally.count);
        }
        sum.missing = sum.missing.saturating_add(row.missing);
        let worse = |balance: &str| {
            ["even", "unknown", "odd"]
                .iter()
                .position(|it| *it == balance)
        };
        if worse(&row.balance) > worse(&sum.balance) {
            sum.balance.clone_from(&row.balance);
        }
    }
    sums.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_console::view::TallyView;

    fn row(flow: &str, received: u64, balance: &str) -> BookRow {
        let tally = |count| TallyView {
            count,
            digest: String::new(),
        };
        BookRow {
            flow: flow.to_owned(),
            direction: "out".to_owned(),
            hour: "2026-01-01T00:00:00Z".to_owned(),
            received: tally(received),
            delivered: tally(0),
            filtered: tally(0),
            parked: tally(0),
            faults: tally(0),
            discarded: tally(0),
            pending: tally(received),
            balance: balance.to_owned(),
            missing: 0,
        }
    }

    #[test]
    fn a_flow_is_as_good_as_its_worst_hour() {
        let rows = [
            row("a", 1, "even"),
            row("a", 2, "odd"),
            row("a", 4, "unknown"),
            row("b", 8, "even"),
        ];
        let sums = sums(&rows);
        let told: Vec<_> = sums
            .iter()
            .map(|row| (row.flow.as_str(), row.received.count, row.balance.as_str()))
            .collect();
        assert_eq!(told, [("a", 7, "odd"), ("b", 8, "even")]);
    }
}
