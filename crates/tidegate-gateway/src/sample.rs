//! Log lines for what strangers can cause: a few, with a count of those left out.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tidegate_types::time::UnixMillis;

/// At most one line in this time, per sampler.
const EVERY: Duration = Duration::from_secs(10);

/// Lets one line through now and then.
#[derive(Debug, Default)]
pub(crate) struct Sampler(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<UnixMillis>,
    left_out: u64,
}

impl Sampler {
    /// How many were left out since the last line, if a line is due at `now`.
    pub(crate) fn due(&self, now: UnixMillis) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.since(last) < EVERY) {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_tells_how_many_were_left_out() {
        let sampler = Sampler::default();
        assert_eq!(sampler.due(UnixMillis(0)), Some(0));
        assert_eq!(sampler.due(UnixMillis(1)), None);
        assert_eq!(sampler.due(UnixMillis(9_999)), None);
        assert_eq!(sampler.due(UnixMillis(10_000)), Some(2));
        assert_eq!(sampler.due(UnixMillis(20_000)), Some(0));
    }
}
