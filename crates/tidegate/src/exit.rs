//! How a command ends.

use std::fmt;
use std::process::ExitCode;

use tidegate_console::Problem;
use tidegate_gateway::http::ClientError;

/// What the exit code tells. The table stands in `--help` and in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well.
    Success = 0,
    /// It failed, and the message says how.
    Failed = 1,
    /// It was called wrongly.
    Usage = 2,
    /// The configuration has errors.
    Invalid = 3,
    /// Nobody answers at the address.
    Unreachable = 4,
    /// There is no such event, fault or flow.
    NotFound = 5,
    /// The token is missing or wrong.
    Unauthorized = 6,
    /// The books do not balance.
    Unbalanced = 7,
    /// A guarantee is weaker than before.
    Weaker = 8,
}

/// The table of exit codes, for the help text.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  all went well
  1  it failed, and the message says how
  2  it was called wrongly
  3  the configuration has errors
  4  nobody answers at the address
  5  there is no such event, fault or flow
  6  the token is missing or wrong
  7  the books do not balance
  8  a guarantee is weaker than before";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed: why, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    code: Option<String>,
    cure: Option<String>,
}

/// What commands return.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            code: None,
            cure: None,
        }
    }

    /// A failure told in one sentence: a lower-case fragment.
    pub(crate) fn told(exit: Exit, what: impl fmt::Display) -> Self {
        Self::new(exit, anyhow::anyhow!("{what}"))
    }

    pub(crate) fn cure(self, cure: impl Into<String>) -> Self {
        Self {
            cure: Some(cure.into()),
            ..self
        }
    }

    /// No answer from `what`, such as `the node`.
    pub(crate) fn of_client(what: &str, error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Connect { .. }
            | ClientError::Timeout { .. }
            | ClientError::Exchange { .. } => Exit::Unreachable,
            ClientError::Url { .. } | ClientError::Address { .. } | ClientError::Host { .. } => {
                Exit::Usage
            }
            _ => Exit::Failed,
        };
        Self::new(
            exit,
            anyhow::Error::new(error).context(format!("cannot reach {what}")),
        )
    }

    /// What the admin API refused.
    pub(crate) fn of_problem(problem: Problem) -> Self {
        let exit = match problem.status {
            404 | 410 => Exit::NotFound,
            401 | 403 => Exit::Unauthorized,
            400 => Exit::Usage,
            422 if !problem.problems.is_empty() => Exit::Invalid,
            _ => Exit::Failed,
        };
        let failure = Self::told(exit, &problem.detail).cure(problem.cure);
        Self {
            code: Some(problem.code),
            ..failure
        }
    }

    /// Whether a node refused with this code.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether whoever read the output has gone, as `head` does: nothing went wrong then.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let io = self.error.downcast_ref::<std::io::Error>();
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The chain of causes and the cure as lines for people.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        for (depth, cause) in self.error.chain().enumerate() {
            let code = self.code.as_deref().filter(|_| depth == 0);
            let code = code.map_or_else(String::new, |code| format!(" ({code})"));
            lines.push((
                if depth == 0 { "error" } else { "because" },
                format!("{cause}{code}"),
            ));
        }
        lines.extend(self.cure.iter().map(|cure| ("cure", cure.clone())));
        lines
    }

    /// What went wrong, in one line.
    pub(crate) fn summary(&self) -> String {
        self.error.to_string()
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let causes: Vec<String> = self
            .error
            .chain()
            .skip(1)
            .map(ToString::to_string)
            .collect();
        serde_json::json!({
            "error": self.error.to_string(),
            "causes": causes,
            "code": self.code,
            "cure": self.cure,
            "exit": self.exit as u8,
        })
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let exit = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Exit::Success,
            _ => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Exit::Failed, error)
    }
}
