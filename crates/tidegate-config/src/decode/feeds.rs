//! `serve`: feeds.

use std::time::Duration;

use tidegate_core::feed::cursor::KEY_BYTES_MIN;
use tidegate_types::secret::Secret;

use super::Decoder;
use super::flows::Scope;
use super::services::texts;
use crate::config::{Consumer, Feed, Flow};
use crate::diagnostic::{Code, Problem};
use crate::shape::Fields;
use crate::units::show_duration;

impl Decoder<'_> {
    pub(super) fn feeds(&mut self, top: &Fields, scope: &Scope<'_>, flows: &[Flow]) -> Vec<Feed> {
        let entries = top.fields("flows").map(|flows| flows.entries.as_slice());
        let mut decoded: Vec<Feed> = Vec::new();
        for (name, _, item) in entries.unwrap_or_default() {
            let (Some(fields), None) = (item.fields(), item.fields().and_then(receive)) else {
                continue;
            };
            let Some(serve) = fields
                .fields("serve")
                .filter(|_| fields.get("deliver").is_none())
            else {
                continue;
            };
            self.only_of_receive(fields, "serve");
            self.feed_path(serve, name, (flows, &decoded));
            decoded.extend(self.feed(name, fields, serve, (scope, flows)));
        }
        decoded
    }

    fn feed(
        &mut self,
        name: &str,
        fields: &Fields,
        serve: &Fields,
        (scope, flows): (&Scope<'_>, &[Flow]),
    ) -> Option<Feed> {
        let system = self.system_of(fields, scope.systems);
        let retention = self.retention(serve, scope.keep, flows);
        let when = self.filter(serve, "when");
        let cursor_keys = self.cursor_keys(serve, scope);
        let consumers = self.consumers(serve);
        self.open_feed(name, serve, scope);
        Some(Feed {
            name: name.to_owned(),
            system: system?,
            path: serve.text("path")?,
            on: texts(serve.list("on")),
            when,
            retention: retention?,
            page_max: usize::try_from(serve.integer("page-max")?).ok()?,
            cursor_keys: cursor_keys?,
            consumers,
        })
    }

    /// A feed has its path and the paths right below it.
    fn feed_path(&mut self, serve: &Fields, name: &str, (flows, feeds): (&[Flow], &[Feed])) {
        let Some(path) = serve.text("path") else {
            return;
        };
        let span = serve.span_of("path");
        self.reserved(&path, span, &[], &format!("/out/{name}"));
        let received = flows.iter().map(|flow| (&flow.name, &flow.path, false));
        let served = feeds.iter().map(|feed| (&feed.name, &feed.path, true));
        let meets = |(_, other, is_feed): &(&String, &String, bool)| {
            **other == path || is_below(other, &path) || (*is_feed && is_below(&path, other))
        };
        if let Some((other, taken, _)) = received.chain(served).find(meets) {
            self.report(
                Problem::new(
                    Code::PathTaken,
                    span,
                    format!("the flow `{other}` already has `{taken}`"),
                )
                .label("taken")
                .help("give each flow a path of its own, and a feed also the paths right below it"),
            );
        }
    }

    fn retention(
        &mut self,
        serve: &Fields,
        keep: Option<Duration>,
        flows: &[Flow],
    ) -> Option<Duration> {
        let keep = keep?;
        let shortest = flows.iter().min_by_key(|flow| flow.dedup);
        if serve.get("retention").is_none() {
            return Some(shortest.map_or(keep, |flow| keep.min(flow.dedup)));
        }
        let retention = serve.duration("retention")?;
        let span = serve.span_of("retention");
        if retention > keep {
            self.report(
                Problem::new(
                    Code::Contradiction,
                    span,
                    format!(
                        "`retention` is longer than `log.keep`, {}",
                        show_duration(keep)
                    ),
                )
                .label("too long")
                .help(
                    "a feed gives what stands in the log: raise `log.keep`, or lower `retention`",
                ),
            );
        } else if let Some(flow) = shortest
            && flow.dedup < retention
        {
            let dedup = show_duration(flow.dedup);
            self.report(
                Problem::new(
                    Code::AmbiguousId,
                    span,
                    format!("the flow `{}` remembers ids for {dedup} only", flow.name),
                )
                .label("longer than that")
                .help(format!(
                    "raise `dedup` of `{}`, lower `retention`, or use cursors only",
                    flow.name
                )),
            );
        }
        Some(retention)
    }

    fn cursor_keys(&mut self, serve: &Fields, scope: &Scope<'_>) -> Option<Vec<Secret>> {
        let (one, many) = (serve.get("cursor-key"), serve.get("cursor-keys"));
        if let (Some(_), Some(many)) = (one, many) {
            self.report(
                Problem::new(
                    Code::OneOf,
                    many.span,
                    "`cursor-key` and `cursor-keys` stand here together",
                )
                .label("one too many")
                .help("keep one of them"),
            );
        }
        if one.is_none() && many.is_none() {
            let regions = scope.regions.list.len();
            if regions > 1 {
                self.report(
                    Problem::new(
                        Code::Missing,
                        serve.span,
                        format!("`serve` lacks `cursor-key`, and there are {regions} regions"),
                    )
                    .label("`cursor-key` is missing here")
                    .help("add `cursor-key: \"${env:NAME}\"` with the same secret in every region, so that each takes the cursors of the others"),
                );
            }
            return Some(Vec::new());
        }
        let keys = self.secrets(serve, "cursor-key", "cursor-keys")?;
        for (_, span) in keys
            .iter()
            .filter(|(key, _)| key.expose().len() < KEY_BYTES_MIN)
        {
            self.report(
                Problem::new(
                    Code::SecretMalformed,
                    *span,
                    format!("a key for cursors has at least {KEY_BYTES_MIN} bytes"),
                )
                .label("too short")
                .help("make one with `openssl rand -base64 32`"),
            );
        }
        Some(keys.into_iter().map(|(key, _)| key).collect())
    }

    fn consumers(&mut self, serve: &Fields) -> Vec<Consumer> {
        let entries = serve.fields("consumers").map(|it| it.entries.as_slice());
        let mut decoded: Vec<Consumer> = Vec::new();
        for (name, _, item) in entries.unwrap_or_default() {
            let Some(fields) = item.fields() else {
                continue;
            };
            let tokens = self.secrets(fields, "token", "tokens").unwrap_or_default();
            for (token, span) in &tokens {
                if let Some(other) = decoded.iter().find(|it| it.tokens.contains(token)) {
                    self.report(
                        Problem::new(
                            Code::Contradiction,
                            *span,
                            format!("this is also a token of the consumer `{}`", other.name),
                        )
                        .label("not its own")
                        .help("give every consumer a token of its own"),
                    );
                }
            }
            let when = self.filter(fields, "when");
            decoded.push(Consumer {
                name: name.clone(),
                tokens: tokens.into_iter().map(|(token, _)| token).collect(),
                on: texts(fields.list("on")),
                when,
            });
        }
        decoded
    }

    /// Without consumers a feed is open to everybody, which is for development on one machine.
    fn open_feed(&mut self, name: &str, serve: &Fields, scope: &Scope<'_>) {
        let beyond = scope.public.is_some_and(|it| !it.ip().is_loopback());
        let nobody = serve
            .fields("consumers")
            .is_some_and(|consumers| consumers.entries.is_empty());
        if beyond && nobody {
            self.report(
                Problem::new(
                    Code::FeedOpen,
                    serve.span,
                    format!("the feed `{name}` would answer everybody"),
                )
                .label("no `consumers`")
                .help("add `consumers: { NAME: { token: \"${env:NAME}\" } }`"),
            );
        }
    }
}

fn receive(fields: &Fields) -> Option<&crate::shape::Item> {
    fields.get("receive")
}

/// Whether `path` stands right below `parent`.
fn is_below(path: &str, parent: &str) -> bool {
    let rest = path
        .strip_prefix(parent.trim_end_matches('/'))
        .and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| !rest.contains('/'))
}
