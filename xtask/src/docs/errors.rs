//! The page of configuration problems, from the table of codes in `tidegate-config`.

use tidegate_config::diagnostic::{CODES, CodeRow};

use super::Page;

/// The page as the table says.
pub(super) fn page() -> Page {
    Page {
        path: "docs/src/errors/configuration.md",
        text: render(CODES),
    }
}

const HEAD: &str = "# Configuration problems

<!-- Made by `cargo xtask docs`; change the table in tidegate-config instead. -->

A problem of severity `error` forbids the use of the file, a `warning` does not.

| code | severity | problem |
| --- | --- | --- |
";

fn render(rows: &[CodeRow]) -> String {
    let index: String = rows.iter().map(index_line).collect();
    let sections: String = rows.iter().map(section).collect();
    format!("{HEAD}{index}{sections}")
}

fn index_line(row: &CodeRow) -> String {
    let CodeRow { id, severity, .. } = row;
    format!(
        "| [{id}](#{}) | {severity} | {} |\n",
        anchor(id),
        in_table(row.title)
    )
}

fn section(row: &CodeRow) -> String {
    let CodeRow { id, title, .. } = row;
    let (meaning, cure) = (by_sentence(row.meaning), by_sentence(row.cure));
    format!(
        "\n## {id}: {title} {{#{}}}\n\n{meaning}\n\n**Cure:** {cure}\n",
        anchor(id)
    )
}

/// The anchor says the code alone, so that links survive a better title.
fn anchor(id: &str) -> String {
    id.to_lowercase()
}

/// A cell of a table ends at a bar, even within code.
fn in_table(text: &str) -> String {
    text.replace('|', "\\|")
}

/// One sentence on one line, as in all our Markdown.
fn by_sentence(text: &str) -> String {
    text.replace(". ", ".\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_a_line_of_the_index_and_a_section() {
        let row = CodeRow {
            id: "TG-0999",
            title: "a|b",
            meaning: "One. Two.",
            cure: "Do it.",
            ..CODES[0]
        };
        let text = render(&[row]);
        assert!(
            text.contains("| [TG-0999](#tg-0999) | error | a\\|b |\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\n## TG-0999: a|b {#tg-0999}\n\nOne.\nTwo.\n\n**Cure:** Do it.\n"),
            "{text}"
        );
    }
}
