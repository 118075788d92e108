//! The known word that was likely meant.

/// The candidate nearest to `written`, if it is near enough to be a misspelling of it.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Longer words are nobody's misspelling, and the distance costs the product of the lengths.
    if written.len() > WORD_BYTES_MAX {
        return None;
    }
    let simplified = simple(written);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= WORD_BYTES_MAX)
        .map(|candidate| (distance(&simplified, &simple(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3).min(3))
        .map(|(_, candidate)| candidate)
}

const WORD_BYTES_MAX: usize = 64;

/// Without what is spelled differently out of habit: case, `_` and `-`.
fn simple(word: &str) -> Vec<char> {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut rows: Vec<usize> = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = i * width + j;
            rows[at] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[at - width] + 1)
                    .min(rows[at - 1] + 1)
                    .min(rows[at - width - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[at - 2 * width - 2] + 1);
                }
                best
            };
        }
    }
    rows.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_word() {
        let words = ["secret", "secrets", "scheme", "body-max", "request-timeout"];
        for (written, meant) in [
            ("secrt", Some("secret")),
            ("shceme", Some("scheme")),
            ("bodyMax", Some("body-max")),
            ("request_timeout", Some("request-timeout")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, words), meant, "{written}");
        }
    }

    #[test]
    fn distance_counts_swaps_once() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("abc"), &chars("acb")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }
}
