//! Asking a node by its admin API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tidegate_config::config::Listener;
use tidegate_console::Problem;
use tidegate_gateway::http::{Answer, Client, ClientSettings, TrustAnchors};

use crate::cli::Global;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Out;
use crate::source::{Source, variable};

/// What cannot stand in the value of a query (RFC 3986, 3.4), and what means something there.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'&')
    .add(b'+')
    .add(b'%')
    .add(b'=');

/// What cannot stand in a segment of a path, or would end it.
const SEGMENT: &AsciiSet = &QUERY.add(b'/').add(b'?').add(b'`').add(b'{').add(b'}');

/// A node, as its admin API shows it.
#[derive(Debug)]
pub(crate) struct Node {
    client: Client,
    base: String,
    authorization: Option<HeaderValue>,
}

impl Node {
    /// The node that the options, or else the configuration, name.
    ///
    /// # Errors
    /// They name none.
    pub(crate) fn of(global: &Global, out: &Out) -> Outcome<Self> {
        let mut token = match &global.token_env {
            Some(name) => Some(variable(name).map(String::into_bytes).ok_or_else(|| {
                Failure::told(Exit::Usage, format!("the variable {name} is not set"))
                    .cure("put the value of `listen.admin.token` into it")
            })?),
            None => None,
        };
        let mut trust = global.ca.as_deref().map(trusting);
        let base = match &global.admin {
            Some(base) => base.clone(),
            None => {
                let source = Source::new(&global.config, global.region.as_deref());
                let config = source.usable(out)?.config;
                let configured = config.listen.admin_token.map(|it| it.expose().to_vec());
                token = token.or(configured);
                let own = own_certificate(&config.listen.admin, &source.folder());
                trust = trust.or(own);
                base(&config.listen.admin, "--admin")?
            }
        };
        let settings = ClientSettings {
            trust: trust.unwrap_or(TrustAnchors::Web),
            ..ClientSettings::default()
        };
        let client =
            Client::new(&base, settings).map_err(|error| Failure::of_client("the node", error))?;
        let authorization = token.map(|token| bearer(&token)).transpose()?;
        Ok(Self {
            client,
            base,
            authorization,
        })
    }

    /// Gets a path with its query and reads the answer.
    ///
    /// # Errors
    /// Nobody answers, or the answer is a problem.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(Method::GET, path).await
    }

    /// Posts nothing to a path and reads the answer.
    ///
    /// # Errors
    /// As [`Node::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        self.ask(Method::POST, path).await
    }

    /// Tells the node to do something; an answer without content is what is expected.
    pub(crate) async fn tell(&self, path: &str) -> Outcome {
        let answer = self.answer(Method::POST, path).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => Err(Failure::of_problem(problem)),
            Err(error) => Err(self.strange(answer.status, error)),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Outcome<T> {
        let answer = self.answer(method, path).await?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|error| self.strange(answer.status, error));
        }
        match serde_json::from_slice::<Problem>(&answer.body) {
            Ok(problem) => Err(Failure::of_problem(problem)),
            Err(error) => Err(self.strange(answer.status, error)),
        }
    }

    async fn answer(&self, method: Method, path: &str) -> Outcome<Answer> {
        let mut headers = HeaderMap::new();
        if let Some(value) = &self.authorization {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        self.client
            .request(method, path, headers, Bytes::new())
            .await
            .map_err(|error| {
                let what = format!("the node at {}", self.base);
                Failure::of_client(&what, error).cure(
                    "start it with `tidegate run`, or name its admin address with `--admin URL`",
                )
            })
    }

    fn strange(&self, status: StatusCode, error: serde_json::Error) -> Failure {
        let what = format!(
            "{} answered {status} with something else than expected",
            self.base
        );
        Failure::new(Exit::Failed, anyhow::Error::new(error).context(what))
            .cure("is this the admin address of a node of the same version? `tidegate --version`")
    }
}

fn bearer(token: &[u8]) -> Outcome<HeaderValue> {
    let value = [b"Bearer ", token].concat();
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| {
        Failure::told(
            Exit::Usage,
            "the token has characters a header cannot carry",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Only the authorities in this file are believed.
pub(crate) fn trusting(file: &Path) -> TrustAnchors {
    TrustAnchors::File(file.to_owned())
}

/// On the machine of a node its own certificate is believed, whoever issued it.
pub(crate) fn own_certificate(listener: &Listener, folder: &Path) -> Option<TrustAnchors> {
    listener
        .tls
        .as_ref()
        .map(|tls| trusting(&folder.join(&tls.cert)))
}

/// The address at which a listener is reached from the same machine.
pub(crate) fn base(listener: &Listener, option: &str) -> Outcome<String> {
    let port = listener.address.port();
    if port == 0 {
        let what = "the configuration leaves the port to the system, so it is not known here";
        return Err(Failure::told(Exit::Usage, what).cure(format!(
            "name the address that the node logged at its start with `{option} URL`"
        )));
    }
    let host = match listener.address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let scheme = if listener.tls.is_some() {
        "https"
    } else {
        "http"
    };
    Ok(format!("{scheme}://{}", SocketAddr::new(host, port)))
}

/// A path with a query of those parameters that are given.
pub(crate) fn query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut text = path.to_owned();
    let given = parameters
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)));
    for (number, (name, value)) in given.enumerate() {
        text.push(if number == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, QUERY));
    }
    text
}

/// A path and one more segment of it, encoded.
pub(crate) fn below(path: &str, segment: &str) -> String {
    format!("{path}/{}", utf8_percent_encode(segment, SEGMENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stands_in_the_query() {
        let parameters = [
            ("type", Some("a.*".to_owned())),
            ("key", None),
            ("text", Some("x & ü".to_owned())),
        ];
        assert_eq!(
            query("/p", &parameters),
            "/p?type=a.*&text=x%20%26%20%C3%BC"
        );
        assert_eq!(query("/p", &[("key", None)]), "/p");
        assert_eq!(below("/p", "a/b?c"), "/p/a%2Fb%3Fc");
    }
}
