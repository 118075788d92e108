//! `services`: our own programs.

use tidegate_types::secret::Secret;

use super::Decoder;
use crate::config::{Service, Subscription};
use crate::diagnostic::{Code, Problem, Span};
use crate::shape::{Fields, Item};

impl Decoder<'_> {
    pub(super) fn services(&mut self, top: &Fields) -> Vec<Service> {
        let Some(services) = top.fields("services") else {
            return Vec::new();
        };
        let mut decoded: Vec<Service> = Vec::with_capacity(services.entries.len());
        for (name, _, item) in &services.entries {
            let Some(fields) = item.fields() else {
                continue;
            };
            let tokens = self.secrets(fields, "token", "tokens").unwrap_or_default();
            self.token_owners(&tokens, &decoded);
            let service = Service {
                name: name.clone(),
                tokens: tokens.into_iter().map(|(token, _)| token).collect(),
                publish: texts(fields.list("publish")),
                subscriptions: self.subscriptions(fields),
            };
            decoded.push(service);
        }
        decoded
    }

    /// A token says which service calls, so no two may share one.
    fn token_owners(&mut self, tokens: &[(Secret, Span)], others: &[Service]) {
        for (token, span) in tokens {
            let Some(other) = others.iter().find(|other| other.tokens.contains(token)) else {
                continue;
            };
            self.report(
                Problem::new(
                    Code::Contradiction,
                    *span,
                    format!("this is also a token of the service `{}`", other.name),
                )
                .label("not its own")
                .help("give every service a token of its own"),
            );
        }
    }

    fn subscriptions(&mut self, service: &Fields) -> Vec<Subscription> {
        let Some(subscriptions) = service.fields("subscribe") else {
            return Vec::new();
        };
        let mut decoded = Vec::with_capacity(subscriptions.entries.len());
        for (name, _, item) in &subscriptions.entries {
            let Some(fields) = item.fields() else {
                continue;
            };
            let when = self.filter(fields, "when");
            decoded.extend(fields.duration("max-lag").map(|max_lag| Subscription {
                name: name.clone(),
                on: texts(fields.list("on")),
                when,
                max_lag,
            }));
        }
        decoded
    }
}

pub(super) fn texts(items: &[Item]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| item.text().map(str::to_owned))
        .collect()
}
