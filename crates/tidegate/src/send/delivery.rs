//! Signing and posting one message.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use tidegate_config::Config;
use tidegate_gateway::http::{Answer, Client, ClientError, ClientSettings, TrustAnchors};
use tidegate_hub::clock::now;
use tidegate_wire::signature::{Request, Signed, Signer};

use super::plan::Letter;
use super::shown::Shown;
use super::{Posted, sample};
use crate::cli::{Global, SendArgs};
use crate::client::{base, own_certificate, trusting};
use crate::exit::{Exit, Failure, Outcome};

/// Bytes of a refusal that are shown.
const ANSWER_SHOWN_MAX: usize = 300;

/// Posts the messages of all flows to one gateway.
#[derive(Debug)]
pub(super) struct Postman {
    client: Client,
    base: String,
    signers: HashMap<String, Signer>,
    posted: AtomicU64,
}

/// A signed message.
pub(super) struct Prepared {
    id: String,
    method: Method,
    base: String,
    path: String,
    /// The path without credentials.
    masked: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Prepared {
    /// The message for people.
    pub(super) fn shown(&self) -> Shown {
        let url = format!("{}{}", self.base, self.masked);
        Shown::new(&self.method, url, &self.headers, &self.body)
    }
}

/// The part of the gateway's answer that is understood here.
#[derive(Debug, Default, Deserialize)]
struct Told {
    id: Option<String>,
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    fault: bool,
    #[serde(default)]
    filtered: bool,
}

impl Postman {
    pub(super) fn new(
        config: &Config,
        folder: &Path,
        global: &Global,
        args: &SendArgs,
    ) -> Outcome<Self> {
        let (client, base) = public(config, folder, global, args)?;
        let mut signers = HashMap::new();
        for flow in &config.flows {
            // A flow whose keys only verify is told when it is to be sent to, not before.
            if let Ok(signer) = Signer::new(&flow.verify) {
                signers.insert(flow.name.clone(), signer);
            }
        }
        Ok(Self {
            client,
            base,
            signers,
            posted: AtomicU64::new(0),
        })
    }

    /// Signs a letter.
    pub(super) fn prepare(&self, letter: &Letter, args: &SendArgs) -> Outcome<Prepared> {
        let number = self.posted.fetch_add(1, Ordering::Relaxed);
        let id = letter.message_id(args, number);
        let (mut headers, body) = content(letter, &id);
        for header in &args.header {
            let (name, value) = custom(header, &id)?;
            headers.insert(name, value);
        }
        let method = method(letter);
        let signed = self.sign(letter, &id, (&method, &headers, &body))?;
        headers.extend(signed.headers);
        let path = &letter.flow.path;
        Ok(Prepared {
            id,
            method,
            base: self.base.clone(),
            // The query is a credential: nothing else is signed there.
            masked: match &signed.query {
                Some(query) => {
                    let name = query.split('=').next().unwrap_or_default();
                    format!("{path}?{name}=****")
                }
                None => path.clone(),
            },
            path: match signed.query {
                Some(query) => format!("{path}?{query}"),
                None => path.clone(),
            },
            headers,
            body,
        })
    }

    /// Posts a letter.
    pub(super) async fn post(&self, letter: &Letter, prepared: Prepared) -> Outcome<Posted> {
        let Prepared {
            id,
            method,
            path,
            headers,
            body,
            ..
        } = prepared;
        let begun = now();
        let answer = self.client.request(method, &path, headers, body).await;
        let answer = answer.map_err(|error| unreached(&self.base, error))?;
        let milliseconds = u64::try_from(now().since(begun).as_millis()).unwrap_or(u64::MAX);
        Ok(posted(letter, id, &answer, milliseconds))
    }

    fn sign(
        &self,
        letter: &Letter,
        id: &str,
        (method, headers, body): (&Method, &HeaderMap, &Bytes),
    ) -> Outcome<Signed> {
        let flow = &letter.flow;
        let signer = self.signers.get(&flow.name).ok_or_else(|| {
            let what = format!("the keys of flow `{}` verify, but cannot sign", flow.name);
            Failure::told(Exit::Failed, what)
                .cure("give the flow a key that signs as well: for Standard Webhooks `whsec_…` or `whsk_…`")
        })?;
        let request = Request {
            method: method.as_str(),
            path: &flow.path,
            query: "",
            headers,
            body,
        };
        signer
            .sign(now(), id, &request)
            .with_context(|| format!("the message for flow `{}` cannot be signed", flow.name))
            .map_err(|error| {
                Failure::new(Exit::Failed, error)
                    .cure("give the missing header with `--header 'NAME: VALUE'`")
            })
    }
}

/// A client of the public listener, and its base address.
pub(super) fn public(
    config: &Config,
    folder: &Path,
    global: &Global,
    args: &SendArgs,
) -> Outcome<(Client, String)> {
    let listener = &config.listen.public;
    let mut trust = global.ca.as_deref().map(trusting);
    let base = match &args.to {
        Some(base) => base.clone(),
        None => {
            trust = trust.or_else(|| own_certificate(listener, folder));
            base(listener, "--to")?
        }
    };
    let settings = ClientSettings {
        trust: trust.unwrap_or(TrustAnchors::Web),
        ..ClientSettings::default()
    };
    let client =
        Client::new(&base, settings).map_err(|error| Failure::of_client("the gateway", error))?;
    Ok((client, base))
}

/// The public listener at `base` does not answer.
pub(super) fn unreached(base: &str, error: ClientError) -> Failure {
    Failure::of_client(&format!("the gateway at {base}"), error)
        .cure("start it with `tidegate run`, or name its address with `--to URL`")
}

/// The headers and the body of a letter; a sample where it has none.
fn content(letter: &Letter, id: &str) -> (HeaderMap, Bytes) {
    let (mut headers, sample) = sample::of(&letter.flow, id);
    if let Some(event) = letter
        .file
        .as_deref()
        .and_then(|file| file.split('.').next())
        && let Ok(value) = HeaderValue::from_str(event)
        && headers.contains_key(sample::GITHUB_EVENT)
    {
        headers.insert(sample::GITHUB_EVENT, value);
    }
    (
        headers,
        letter.body.clone().unwrap_or_else(|| sample.into()),
    )
}

fn custom(header: &str, id: &str) -> Outcome<(HeaderName, HeaderValue)> {
    let parsed = header.split_once(':').and_then(|(name, value)| {
        let name: HeaderName = name.trim().parse().ok()?;
        let value = HeaderValue::from_str(&value.trim().replace("{id}", id)).ok()?;
        Some((name, value))
    });
    parsed.ok_or_else(|| {
        // It may hold a credential, so it is not repeated.
        Failure::told(Exit::Usage, "a `--header` is no header").cure("write it as 'NAME: VALUE'")
    })
}

/// POST, unless the flow takes something else only.
fn method(letter: &Letter) -> Method {
    let methods = &letter.flow.methods;
    let first = methods
        .iter()
        .find(|it| **it == "POST")
        .or_else(|| methods.first());
    first.and_then(|it| it.parse().ok()).unwrap_or(Method::POST)
}

fn posted(letter: &Letter, message: String, answer: &Answer, milliseconds: u64) -> Posted {
    let told: Told = serde_json::from_slice(&answer.body).unwrap_or_default();
    let outcome = match (answer.status.is_success(), &told) {
        (false, _) => "refused",
        (true, Told { fault: true, .. }) => "fault",
        (true, Told { repeat: true, .. }) => "repeat",
        (true, Told { filtered: true, .. }) => "filtered",
        (true, _) => "kept",
    };
    let shown = String::from_utf8_lossy(&answer.body)
        .chars()
        .take(ANSWER_SHOWN_MAX)
        .collect();
    Posted {
        flow: letter.flow.name.clone(),
        file: letter.file.clone(),
        message,
        status: answer.status.as_u16(),
        outcome,
        id: told.id,
        milliseconds,
        answer: (outcome == "refused").then_some(shown),
    }
}
