//! `regions`: which ones there are, and which one this process is.

use super::services::texts;
use crate::config::{Lease, Region};
use crate::diagnostic::{Code, Problem, Problems, Span};
use crate::shape::{Fields, nearest};

/// Name of the region when none is declared.
const ONLY: &str = "local";

/// The regions of the file.
#[derive(Clone, Debug)]
pub(crate) struct Regions {
    /// All of them, in the order of the file.
    pub(crate) list: Vec<Region>,
    /// The one this process is; `None` if that is not clear and reported.
    pub(crate) chosen: Option<String>,
    /// The chosen one's own account.
    pub(crate) account: Option<String>,
}

impl Regions {
    /// Reads the regions and picks `wanted`, or the only one there is.
    pub(crate) fn read(top: &Fields, wanted: Option<&str>, problems: &mut Problems) -> Self {
        let declared = top.fields("regions");
        let entries = declared.map(|it| it.entries.as_slice()).unwrap_or_default();
        let mut list: Vec<Region> = entries
            .iter()
            .map(|(name, _, item)| region(name, item.fields()))
            .collect();
        if list.is_empty() {
            list.push(region(ONLY, None));
        }
        let mut regions = Self {
            list,
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
        match (wanted, self.list.as_slice()) {
            (None, [only]) => Some(only.name.clone()),
            (None, _) => {
                let names = self.names();
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
        self.list.iter().any(|known| known.name == name)
    }

    /// Their names, in the order of the file.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.list
            .iter()
            .map(|region| region.name.as_str())
            .collect()
    }

    /// Reports a region that is not declared.
    pub(crate) fn unknown(&self, name: &str, span: Span, problems: &mut Problems) {
        let help = match nearest(name, self.names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("declared: {}", self.names().join(", ")),
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

pub(super) fn lease(top: &Fields, problems: &mut Problems) -> Option<Lease> {
    let fields = top.fields("lease")?;
    let nats = fields.text("nats")?;
    if !["nats://", "tls://"]
        .iter()
        .any(|scheme| nats.starts_with(scheme))
    {
        problems.push(
            Problem::new(
                Code::BadValue,
                fields.span_of("nats"),
                "this is no address of a NATS server",
            )
            .label("not possible here")
            .help("write `nats://HOST:4222`, or `tls://HOST:4222`"),
        );
    }
    Some(Lease { nats })
}

fn region(name: &str, fields: Option<&Fields>) -> Region {
    let text = |key| fields.and_then(|fields| fields.text(key));
    Region {
        name: name.to_owned(),
        peer: text("peer"),
        public: text("public"),
        egress: fields
            .map(|it| texts(it.list("egress")))
            .unwrap_or_default(),
    }
}
