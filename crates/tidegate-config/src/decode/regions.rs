//! `regions`: which ones there are, and which one this process is.

use crate::diagnostic::{Code, Problem, Problems, Span};
use crate::shape::{Fields, nearest};

/// Name of the region when none is declared.
const ONLY: &str = "local";

/// The regions of the file.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    pub(crate) names: Vec<String>,
    /// The one this process is; `None` if that is not clear and reported.
    pub(crate) chosen: Option<String>,
    /// The chosen one's own account.
    pub(crate) account: Option<String>,
}

impl Regions {
    /// Reads the regions and picks `wanted`, or the only one there is.
    pub(crate) fn read(top: &Fields, wanted: Option<&str>, problems: &mut Problems) -> Self {
        let declared = top.fields("regions");
        let mut names: Vec<String> = declared
            .into_iter()
            .flat_map(|fields| fields.entries.iter().map(|(name, ..)| name.clone()))
            .collect();
        if names.is_empty() {
            names.push(ONLY.to_owned());
        }
        let mut regions = Self {
            names,
            chosen: None,
            account: None,
        };
        let span = declared.map_or(top.span, |fields| fields.span);
        regions.chosen = regions.pick(wanted, span, problems);
        regions.account = regions
            .chosen
            .as_deref()
            .and_then(|name| declared?.fields(name)?.text("account"));
        regions
    }

    fn pick(&self, wanted: Option<&str>, span: Span, problems: &mut Problems) -> Option<String> {
        match (wanted, self.names.as_slice()) {
            (None, [only]) => Some(only.clone()),
            (None, names) => {
                problems.push(
                    Problem::new(
                        Code::RegionChoice,
                        span,
                        format!("the file has {} regions and none is chosen", names.len()),
                    )
                    .label("which of these is this process?")
                    .help(format!("start with `--region {}`", names.join("|"))),
                );
                None
            }
            (Some(wanted), _) if self.knows(wanted) => Some(wanted.to_owned()),
            (Some(wanted), _) => {
                self.unknown(wanted, span, problems);
                None
            }
        }
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Reports a region that is not declared.
    pub(crate) fn unknown(&self, name: &str, span: Span, problems: &mut Problems) {
        let help = match nearest(name, self.names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declared: {}", self.names.join(", ")),
        };
        problems.push(
            Problem::new(
                Code::UnknownRegion,
                span,
                format!("the region `{name}` is not declared"),
            )
            .label("unknown region")
            .help(help),
        );
    }
}
